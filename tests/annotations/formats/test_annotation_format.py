"""A file's name chooses its format, and no reading starts that could not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import (
    ReadingContext,
    format_to_read,
    format_to_write,
)
from pathoai_annotations.formats.geojson import FORMAT

SLIDE = "0123456789ABCDEF"


@pytest.mark.parametrize(
    "name", ["a.geojson", "a.b.GeoJSON", "a.geojson.gz", "A.GEOJSON.GZ", "a.json"]
)
def test_the_name_chooses_the_format(name: str) -> None:
    for choose in (format_to_read, format_to_write):
        assert choose(Path("folder.xml", name)) == ("geojson", FORMAT)


@pytest.mark.parametrize("name", ["a.doc", "geojson", "a.gz", "a.geojson.zip"])
def test_a_name_of_no_format_is_refused_with_the_known_endings(name: str) -> None:
    with pytest.raises(AnnotationError, match=r"\.geojson, \.geojson\.gz, \.json"):
        format_to_read(Path(name))


def test_a_name_is_no_author_even_of_an_empty_file() -> None:
    with pytest.raises(AnnotationError, match="short codes"):
        ReadingContext(SLIDE, load_ontology("breast"), "Marie Dupont")


def test_an_unknown_default_class_is_refused_even_where_all_features_have_one() -> None:
    with pytest.raises(OntologyError, match="did you mean 'stroma'"):
        ReadingContext(SLIDE, load_ontology("breast"), "R1", default_label="stoma")
