"""GeoParquet: nothing is lost; object tables and tables of others are read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from shapely import box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Size
from pathoai.store.objects import ObjectTable, write_objects
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.formats.annotation_format import ReadingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.proposals import proposals_of
from tests.annotations.formats.conformance import FRAME, SLIDE, FormatConformance
from tests.annotations.formats.machine_words import machine_words_in
from tests.annotations.formats.says_its_size import SaysItsSize

BREAST = FormatConformance.ontology


class TestGeoParquet(SaysItsSize):
    name, suffix = "geoparquet", ".parquet"

    def test_nothing_at_all_is_lost(self, path: Path) -> None:
        count, report = self.write(path, self.samples())
        read, _ = self.read(path)
        assert (count, report.lost) == (len(self.samples()), {})
        assert read == self.samples()
        assert [dict(a.measurements) for a in read] == [
            dict(a.measurements) for a in self.samples()
        ]

    def test_metadata_follow_the_specification(self, path: Path) -> None:
        self.write(path, self.samples())
        geo = json.loads(pq.read_schema(path).metadata[b"geo"])
        assert geo["version"] == "1.1.0"
        column = geo["columns"][geo["primary_column"]]
        assert (column["encoding"], column["crs"]) == ("WKB", None)
        table = pq.read_table(path)
        outlines = shapely.from_wkb(table[geo["primary_column"]].to_pylist())
        assert [o.wkt for o in outlines] == [a.geometry.wkt for a in self.samples()]

    def test_a_file_of_several_slides_gives_those_of_one(self, path: Path) -> None:
        self.write(path, self.samples())
        table = pq.read_table(path)
        names = ["other.svs", *[SLIDE] * (len(table) - 1)]
        table = table.set_column(1, "slide_id", pa.array(names)).replace_schema_metadata(
            {b"geo": table.schema.metadata[b"geo"]}
        )
        pq.write_table(table, path)
        read, report = self.read(path)
        assert len(read) == len(self.samples()) - 1
        assert "1 rows are about other slides" in report.to_dict()["notes"]
        pq.write_table(table.slice(0, 1), path)
        with pytest.raises(AnnotationError, match="other slides"):
            self.read(path)

    @pytest.mark.parametrize(
        "wrong", [{"known_as": "B12.svs"}, {"frame": replace(FRAME, size=Size(41_000, 30_000))}]
    )
    def test_another_slide_is_refused(self, path: Path, wrong: dict[str, Any]) -> None:
        self.write(path, self.samples(), known_as="A12.svs")
        with pytest.raises(AnnotationError, match="another slide"):
            self.read(path, **({"known_as": "A12.svs"} | wrong))


def _foreign(path: Path, values: dict[str, list[Any]], **geo: object) -> Path:
    about = {
        "version": "1.0.0",
        "primary_column": "geom",
        "columns": {"geom": {"encoding": "WKB", "geometry_types": []}},
    } | geo
    outlines = [box(10 * i, 0, 10 * i + 8, 8).wkb for i in range(len(next(iter(values.values()))))]
    table = pa.table({"geom": outlines} | values)
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), path)
    return path


def _read(path: Path, **how: object) -> tuple[list[Annotation], ExchangeReport]:
    report = ExchangeReport("geoparquet")
    context = ReadingContext(SLIDE, BREAST, "R9", frame=FRAME, **how)  # type: ignore[arg-type]  # fields by name
    return list(format_named("geoparquet").read(path, context, report)), report


@pytest.mark.parametrize(
    "values",
    [
        ["dcis", "stroma"],
        [{"name": "dcis", "color": [1, 2, 3]}, {"name": "stroma", "color": [1, 2, 3]}],
        ['{"name": "dcis"}', '{"name": "stroma"}'],
    ],
)
@pytest.mark.parametrize("column", ["class", "classification", "label", "kind"])
def test_tables_of_others_are_read(tmp_path: Path, column: str, values: list[Any]) -> None:
    columns = {column: values, "area": [64, 64], "note": ["a", "b"], "probability": [0.5, None]}
    path = _foreign(tmp_path / "a.parquet", columns)
    read, report = _read(path, class_column=column if column == "kind" else "")
    assert [a.label for a in read] == ["dcis", "stroma"]
    assert [a.confidence for a in read] == [0.5, None]
    assert [dict(a.measurements) for a in read] == [{"area": 64.0}, {"area": 64.0}]
    assert report.lost == {"the column note": 1}
    assert {a.author for a in read} == {"R9"}


def test_a_class_comes_from_the_user_where_the_table_says_none(tmp_path: Path) -> None:
    path = _foreign(tmp_path / "a.parquet", {"kind": ["tumour", "tumour"]})
    with pytest.raises(AnnotationError, match="no column says the class"):
        _read(path)
    assert {a.label for a in _read(path, default_label="stroma")[0]} == {"stroma"}
    with pytest.raises(OntologyError, match=r"row 1.*tumour"):
        _read(path, class_column="kind")
    mapped, _ = _read(path, class_column="kind", classes={"tumour": "dcis"})
    assert {a.label for a in mapped} == {"dcis"}


@pytest.mark.parametrize(
    ("geo", "fault"),
    [
        ({"columns": {"geom": {"encoding": "polygon"}}}, "encoding"),
        ({"primary_column": "shape"}, "malformed"),
        ({"columns": []}, "malformed"),
    ],
)
def test_geometry_that_is_not_read_is_refused(
    tmp_path: Path, geo: dict[str, Any], fault: str
) -> None:
    path = _foreign(tmp_path / "a.parquet", {"class": ["dcis"]}, **geo)
    with pytest.raises(AnnotationError, match=rf"a\.parquet.*{fault}"):
        _read(path)


def test_a_map_is_refused(tmp_path: Path) -> None:
    column = {"encoding": "WKB", "geometry_types": [], "crs": {"id": {"code": 2154}}}
    path = _foreign(tmp_path / "a.parquet", {"class": ["dcis"]}, columns={"geom": column})
    with pytest.raises(AnnotationError, match=r"a\.parquet: the coordinates are of a map"):
        _read(path)


def test_a_row_that_says_what_cannot_be_is_left_out_where_the_user_says_so(tmp_path: Path) -> None:
    path = _foreign(tmp_path / "a.parquet", {"class": ["dcis", "dcis"], "confidence": [2.5, 0.5]})
    with pytest.raises(AnnotationError, match=r"row 1: confidence.*--repair"):
        _read(path)
    (kept,), report = _read(path, repair=True)
    assert kept.confidence == 0.5
    assert report.mended == {"a feature left out: confidence": 1}


def test_a_row_without_outline_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    geo = {"primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}
    for wkb, fault in ((None, "row 1.*without geometry"), (b"\1\2\3", "damaged")):
        table = pa.table({"g": pa.array([wkb], pa.binary()), "class": ["dcis"]})
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
        with pytest.raises(AnnotationError, match=fault):
            _read(path)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ('{"a": 1.5}', {"a": 1.5}),
        ([("a", 1.5)], {"a": 1.5}),
        (None, {}),
        ("[1]", None),
        ("{", None),
    ],
)
def test_measurements_come_as_text_or_as_a_map(
    tmp_path: Path, stated: object, expected: dict[str, float] | None
) -> None:
    kind = pa.map_(pa.string(), pa.float64()) if isinstance(stated, list) else pa.string()
    columns: dict[str, Any] = {"class": ["dcis"], "measurements": pa.array([stated], kind)}
    path = _foreign(tmp_path / "a.parquet", columns)
    if expected is None:
        with pytest.raises(AnnotationError, match=r"row 1: malformed measurements"):
            _read(path)
        return
    assert dict(_read(path)[0][0].measurements) == expected


def test_a_plain_table_is_no_geoparquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"class": ["dcis"]}), tmp_path / "a.parquet")
    assert not format_named("geoparquet").recognises(tmp_path / "a.parquet")
    with pytest.raises(AnnotationError, match=r"a\.parquet.*not a GeoParquet"):
        _read(tmp_path / "a.parquet")


def test_the_objects_of_a_model_are_the_proposals_it_would_make(tmp_path: Path) -> None:
    objects = ObjectTable(
        np.array([box(0, 0, 8, 8), box(20, 0, 28, 8)], object),
        np.array([BREAST["dcis"].index, BREAST["stroma"].index], np.uint8),
        np.array([0.5, 0.75], np.float32),
        np.full(2, 4.0, np.float32),
        {"label": "prediction/unet", "model": "unet", "model_sha256": "ab" * 32},
        {"number": np.array([1, 2], np.int64)},
    )
    write_objects(tmp_path / "a.parquet", objects)
    read, report = _read(tmp_path / "a.parquet")
    expected = proposals_of(objects, SLIDE, BREAST, origin=Origin.MODEL, author="R9")
    assert read == list(expected)
    assert report.lost == {"the column number": 1}
    assert "does not say which slide" in report.to_dict()["notes"][0]


def test_no_path_lies_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    TestGeoParquet().write(path, TestGeoParquet().samples())
    assert machine_words_in(path) == []
