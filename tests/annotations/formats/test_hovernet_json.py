"""Cells of networks of others, at the scale that somebody states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shapely import Point, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import WritingContext, format_to_read
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.hovernet_json import FORMAT
from tests.annotations.formats.conformance import FRAME, SLIDE
from tests.annotations.formats.reading import read

CONTOUR = [[10, 20], [19, 20], [19, 29], [10, 29]]
CELL = {"bbox": [[20, 10], [29, 19]], "centroid": [14.5, 24.5], "contour": CONTOUR}
TYPES = {"1": "nucleus_neoplastic", "2": "nucleus_lymphocyte"}


def _hovernet(path: Path, *cells: object, **about: object) -> Path:
    nuclei = {str(i): cell for i, cell in enumerate(cells, start=1)}
    path.write_text(json.dumps({"mag": 40, "nuc": nuclei} | about))
    return path


def _cellvit(path: Path, *cells: object, **metadata: object) -> Path:
    path.write_text(
        json.dumps(
            {
                "wsi_metadata": {"base_mpp": 0.25, "target_patch_mpp": 0.25} | metadata,
                "processed_patches": ["0_0"],
                "type_map": {"0": "Background", "1": "nucleus_neoplastic"},
                "cells": list(cells),
            }
        )
    )
    return path


def test_a_hovernet_file_is_read_at_the_scale_that_the_user_states(tmp_path: Path) -> None:
    cells = CELL | {"type": 1, "type_prob": 0.75}, CELL | {"type": None, "type_prob": None}
    path = _hovernet(tmp_path / "a.json", *cells)
    assert format_to_read(path) == ("hovernet-json", FORMAT)
    how: dict[str, Any] = {"classes": TYPES, "default_label": "nucleus"}
    (one, two), report = read("hovernet-json", path, mpp=0.5, **how)
    # Contours run through the centres of the pixels at a network's border of a cell.
    assert one.geometry.equals(box(21, 41, 39, 59))
    assert (one.label, one.confidence) == ("nucleus_neoplastic", 0.75)
    assert (two.label, two.confidence) == ("nucleus", None)
    assert one.id != two.id
    assert report.lost == {}
    assert any("half a pixel" in note for note in report.to_dict()["notes"])


def test_a_magnification_is_no_scale(tmp_path: Path) -> None:
    path = _hovernet(tmp_path / "a.json", CELL)
    with pytest.raises(AnnotationError, match=r"a\.json: at which scale.*mag 40.*--mpp.*0\.25 µm"):
        read("hovernet-json", path, default_label="nucleus")
    _hovernet(path, CELL, mpp=0.25)
    ((one,), _) = read("hovernet-json", path, default_label="nucleus")
    assert one.geometry.equals(box(10.5, 20.5, 19.5, 29.5))


def test_a_cellvit_file_at_the_slide_s_own_scale_is_clear(tmp_path: Path) -> None:
    cells = [CELL | {"type": 1, "type_prob": 0.5, "cell_status": 0}]
    path = _cellvit(tmp_path / "cells.json", *cells)
    assert format_to_read(path)[0] == "hovernet-json"
    ((one,), report) = read("hovernet-json", path)
    assert (one.label, one.confidence) == ("nucleus_neoplastic", 0.5)
    assert one.geometry.area == 81
    assert report.lost == {"the cell's cell_status": 1}


@pytest.mark.parametrize(
    "metadata",
    [
        {"target_patch_mpp": 0.5},
        {"base_mpp": 0.5, "target_patch_mpp": 0.5},
        {"base_mpp": None, "target_patch_mpp": None},
        {"base_mpp": "fine"},
        {"base_mpp": 0, "target_patch_mpp": 0},
    ],
    ids=["two", "other", "none", "no number", "zero"],
)
def test_a_cellvit_file_at_another_scale_asks_the_user(tmp_path: Path, metadata: object) -> None:
    assert isinstance(metadata, dict)
    path = _cellvit(tmp_path / "cells.json", CELL | {"type": 1}, **metadata)
    with pytest.raises(AnnotationError, match="at which scale are the coordinates"):
        read("hovernet-json", path)
    ((one,), _) = read("hovernet-json", path, mpp=0.25)
    assert one.geometry.area == 81


def test_the_user_s_word_for_a_type_goes_before_the_file_s(tmp_path: Path) -> None:
    path = _cellvit(tmp_path / "cells.json", CELL | {"type": 1})
    ((one,), _) = read("hovernet-json", path, classes={"1": "mitosis"})
    assert one.label == "mitosis"


def test_a_cell_without_a_contour_is_a_point(tmp_path: Path) -> None:
    path = _hovernet(tmp_path / "a.json", {"centroid": [14.5, 24.5], "type": 1})
    ((one,), _) = read("hovernet-json", path, mpp=0.25, classes=TYPES)
    assert one.geometry == Point(15, 25)


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        (CELL | {"contour": [[1, 2]]}, "empty geometry"),
        (CELL | {"contour": [[1, 2], [3]]}, "malformed geometry"),
        (CELL | {"contour": None}, "malformed geometry"),
        (CELL | {"contour": [[1, 2], [float("nan"), 3], [5, 5]]}, "malformed geometry"),
        (CELL | {"contour": [[0, 0], [9, 9], [9, 0], [0, 9]]}, "crosses itself"),
        (CELL | {"contour": [[-10, 0], [9, 0], [9, 9]]}, "off the slide"),
        (CELL | {"type_prob": "high"}, "type_prob is no number"),
        (CELL | {"type_prob": 10**400}, "type_prob is no number"),
        (7, "not a cell"),
        ({}, "malformed geometry"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, cell: object, error: str) -> None:
    path = _hovernet(tmp_path / "a.json", CELL, cell)
    with pytest.raises(AnnotationError, match=f"nucleus 2: .*{error}"):
        read("hovernet-json", path, mpp=0.25, default_label="nucleus")


def test_a_bad_cell_is_left_out_where_the_user_says_so(tmp_path: Path) -> None:
    bad = CELL | {"type_prob": "high"}, CELL | {"type_prob": 7}, CELL | {"contour": None}
    path = _hovernet(tmp_path / "a.json", *bad, CELL)
    ((one,), report) = read("hovernet-json", path, mpp=0.25, default_label="nucleus", repair=True)
    assert one.geometry.area > 0
    assert sum(report.mended.values()) == 3


def test_an_unknown_type_is_named_or_left_out(tmp_path: Path) -> None:
    path = _hovernet(tmp_path / "a.json", CELL | {"type": 5}, CELL | {"type": 1})
    with pytest.raises(OntologyError, match=r"nucleus 1: unknown class; found '5'.*--class"):
        read("hovernet-json", path, mpp=0.25, classes=TYPES)
    ((one,), report) = read("hovernet-json", path, mpp=0.25, classes=TYPES, repair=True)
    assert one.label == "nucleus_neoplastic"
    assert report.mended == {"a feature of unknown class '5', left out": 1}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nuc": []}', '{"cells": {}}', "{", "\0", "[" * 99999]
)
def test_what_is_no_such_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"a\.json: not a HoVer-Net or CellViT JSON file"):
        read("hovernet-json", path, mpp=0.25)


def test_it_cannot_be_written(tmp_path: Path) -> None:
    context = WritingContext(SLIDE, load_ontology("breast"), FRAME)
    with pytest.raises(AnnotationError, match="can only be read"):
        FORMAT.write(tmp_path / "a.json", [], context, ExchangeReport("hovernet-json"))
