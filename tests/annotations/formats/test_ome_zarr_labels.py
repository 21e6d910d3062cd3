"""OME-Zarr labels: what validators pass, what comes back, and labels of others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_models import v05
from shapely import box

from pathoai.errors import (
    AnnotationError,
    MissingFileError,
    OntologyError,
    StorageError,
)
from pathoai.geometry import Mpp, Size
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.formats.annotation_format import ReadingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from pathoai_annotations.rasterise_annotations import AnnotationChoice, rasterise_annotations
from pathoai_annotations.slide_frame import SlideFrame
from tests.annotations.formats.conformance import FRAME, SLIDE, FormatConformance, annotation
from tests.annotations.formats.machine_words import machine_words_in
from tests.annotations.formats.raster_conformance import RasterConformance

BREAST = FormatConformance.ontology
SMALL = SlideFrame(Size(6000, 5000), Mpp.square(0.25))


class TestOmeZarrLabels(RasterConformance):
    name, suffix = "ome-zarr-labels", ".ome.zarr"

    def samples(self) -> list[Annotation]:
        return [*super().samples(), self.several()]

    def content(self, path: Path) -> bytes:
        files = sorted(f for f in path.rglob("*") if f.is_file())
        return b"".join(str(f.relative_to(path)).encode() + f.read_bytes() for f in files)

    def test_a_failure_in_the_middle_keeps_the_old_file(self, path: Path) -> None:
        """Nothing lies there; what does lie there is never replaced."""

        def failing() -> Iterator[Annotation]:
            yield from self.samples()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.write(path, failing())
        assert list(path.parent.iterdir()) == []
        self.write(path, self.samples())
        old = self.content(path)
        with pytest.raises(StorageError, match="something lies"):
            self.write(path, self.samples())
        assert self.content(path) == old

    def test_a_folder_is_no_file(self, path: Path) -> None:
        """A label is a folder, but not any folder is one."""
        path.mkdir()
        with pytest.raises(AnnotationError, match=path.stem):
            self.read(path)

    def test_damaged_files_are_one_clear_error(self, path: Path) -> None:
        """Whatever file of those that are read is damaged, and however."""
        with pytest.raises(MissingFileError):
            self.read(path)
        self.write(path, self.samples())
        metadata = [path / "zarr.json", path / "instance" / "zarr.json"]
        shards = [f for f in (path / "instance" / "0").rglob("*") if f.is_file()]
        for file in [*metadata, *shards]:
            whole = file.read_bytes()
            for damage in (b"", b"\0" * 10, whole[: len(whole) // 2], b"{}", b"[1]"):
                file.write_bytes(damage)
                with pytest.raises(AnnotationError, match=path.stem) as refusal:
                    self.read(path)
                assert str(path.parent) not in str(refusal.value)
            file.unlink()
            with pytest.raises(AnnotationError, match=path.stem):
                self.read(path)
            file.write_bytes(whole)
        assert len(self.read(path)[0]) == len(self.carried())

    def test_a_class_map_that_says_another_class_or_is_garbage_is_refused(self, path: Path) -> None:
        self.write(path, [annotation("plain", "stroma", box(3500, 3500, 3510, 3520))])
        pixels: Any = zarr.open_array(path / "0", mode="r+")
        before = int(pixels[1751, 1751])
        for place, value in (((1751, 1751), 255), ((1751, 1751), 0), ((10, 10), 1)):
            was = int(pixels[place])
            pixels[place] = value
            with pytest.raises(AnnotationError, match=r"class map.*contradict.*1 pixels"):
                self.read(path)
            pixels[place] = was
        assert pixels[1751, 1751] == before
        assert len(self.read(path)[0]) == 1
        (shard, *_) = (f for f in (path / "0").rglob("*") if f.is_file() and f.name != "zarr.json")
        for garbage in (b"", b"garbage" * 99):
            shard.write_bytes(garbage)
            with pytest.raises(AnnotationError, match=path.stem):
                self.read(path)
        shard.unlink()
        with pytest.raises(AnnotationError, match="class map"):
            self.read(path)

    def test_metadata_that_say_two_things_are_refused(self, path: Path) -> None:
        """Of all that is read: groups, numbers and class map."""
        self.write(path, self.samples())
        for folder in (path, path / "0", path / "instance", path / "instance" / "0"):
            file = folder / "zarr.json"
            kept = file.read_text("utf8")
            file.write_text('{"zarr_format": 2, ' + kept.lstrip()[1:], "utf8")
            with pytest.raises(AnnotationError, match="the key zarr_format twice"):
                self.read(path)
            file.write_text(kept, "utf8")
        assert len(self.read(path)[0]) == len(self.carried())

    def test_a_class_map_of_another_size_is_refused(self, path: Path) -> None:
        self.write(path, [annotation("plain", "stroma", box(3500, 3500, 3510, 3520))])
        zarr.create_array(path / "0", data=np.full((9, 9), 255, "u1"), overwrite=True)
        with pytest.raises(AnnotationError, match="class map"):
            self.read(path)

    def test_the_validator_passes_it(self, path: Path) -> None:
        self.write(path, self.samples())
        command = [sys.executable, "-m", "ome_zarr_models._cli", "validate", str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for folder in (path, path / "instance"):
            v05.ImageLabel.from_zarr(zarr.open_group(folder, mode="r"))

    def test_small_outlines_lie_over_large_ones_and_hidden_ones_are_told(self, path: Path) -> None:
        large = annotation("large", "stroma", box(3000, 3000, 3100, 3100))
        small = annotation("small", "dcis", box(3010, 3010, 3020, 3020))
        twin = annotation("twin", "nucleus", box(3010, 3010, 3020, 3020))
        count, report = self.write(path, [small, large, twin])
        assert (count, report.lost[Part.AREAS]) == (2, 1)
        read = {a.label: a.geometry for a in self.read(path)[0]}
        assert read["stroma"].area == 10_000 - 100

    def test_another_slide_is_refused(self, path: Path) -> None:
        self.write(path, self.samples())
        context = ReadingContext("F" * 16, BREAST, "R9", frame=FRAME)
        with pytest.raises(AnnotationError, match=f"another slide.*{SLIDE}"):
            list(self.format.read(path, context, ExchangeReport(self.name)))
        with pytest.raises(AnnotationError, match=r"another slide.*40000"):
            self.read(path, frame=replace(FRAME, size=Size(41_000, 30_000)))

    def test_no_path_lies_in_the_folder(self, path: Path) -> None:
        self.write(path, self.samples())
        assert machine_words_in(path) == []


# --- labels of others --------------------------------------------------------------------------


def _foreign(
    path: Path,
    pixels: np.ndarray[Any, np.dtype[Any]],
    *,
    version: str = "0.5",
    scale: tuple[float, ...] | None = (0.25, 0.25),
    translation: tuple[float, ...] | None = None,
    axes: str = "yx",
    label: dict[str, Any] | None = None,
) -> Path:
    form: Any = 3 if version == "0.5" else 2
    group = zarr.create_group(path, zarr_format=form)
    group.create_array("0", data=pixels, chunks=tuple(min(n, 500) for n in pixels.shape))
    kinds = {"t": "time", "c": "channel"}
    named = [
        {"name": a, "type": kinds.get(a, "space")} | ({"unit": "micrometer"} if a in "xyz" else {})
        for a in axes
    ]
    transforms: list[dict[str, Any]] = []
    if scale is not None:
        transforms.append({"type": "scale", "scale": list(scale)})
    if translation is not None:
        transforms.append({"type": "translation", "translation": list(translation)})
    dataset = {"path": "0", "coordinateTransformations": transforms}
    image = {"axes": named, "datasets": [dataset], "name": "x"}
    attributes: dict[str, Any] = {"multiscales": [image], "image-label": label or {}}
    if version == "0.5":
        group.attrs.put({"ome": attributes | {"version": "0.5"}})
    else:
        image["version"] = version
        group.attrs.put(attributes)
    return path


def _read(path: Path, **how: object) -> list[Annotation]:
    known: dict[str, object] = {"frame": SMALL}
    context = ReadingContext(SLIDE, BREAST, "R9", **(known | how))  # type: ignore[arg-type]  # fields by name
    report = ExchangeReport("ome-zarr-labels")
    return list(format_named("ome-zarr-labels").read(path, context, report))


def _pixels(factor: int = 1, dtype: str = "uint8") -> np.ndarray[Any, np.dtype[Any]]:
    """A region of 1 across the borders of blocks, one of 2 in two parts."""
    pixels = np.zeros((5000 // factor, 6000 // factor), dtype)
    pixels[1000:1100, 1000:1200] = 1
    pixels[1020:1040, 1020:1040] = 0
    pixels[10:20, 10:20] = 2
    pixels[10:20, 40:60] = 2
    return pixels


CLASSES = {
    "properties": {
        "properties": [{"label-value": 1, "class": "dcis"}, {"label-value": 2, "name": "Stroma"}]
    },
    "colours": {
        "colors": [
            {"label-value": 1, "rgba": [*BREAST["mitosis"].rgb, 255]},
            {"label-value": 2, "rgba": [1, 2, 3, 255]},
        ]
    },
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_properties_say_the_classes(tmp_path: Path, version: str, dtype: str) -> None:
    path = _foreign(
        tmp_path / "a.zarr",
        _pixels(2, dtype),
        version=version,
        scale=(0.5, 0.5),
        label=CLASSES["properties"],
    )
    read = sorted(_read(path), key=lambda a: a.geometry.area)
    assert [(a.label, a.geometry.area) for a in read] == [
        ("stroma", 400),
        ("stroma", 800),
        ("dcis", 4 * (20_000 - 400)),
    ]
    assert read[-1].geometry.bounds == (2000, 2000, 2400, 2200)
    assert {a.status for a in read} == {Status.PROPOSED}


def test_the_user_s_word_goes_before_colours_and_properties(tmp_path: Path) -> None:
    path = _foreign(tmp_path / "a.zarr", _pixels(), label=CLASSES["properties"])
    assert {a.label for a in _read(path, classes={"1": "stroma"})} == {"stroma"}
    coloured = _foreign(tmp_path / "b.zarr", _pixels(), label=CLASSES["colours"])
    with pytest.raises(AnnotationError, match=r"value 2.*without a class"):
        _read(coloured)
    assert {a.label for a in _read(coloured, classes={"2": "dcis"})} == {"mitosis", "dcis"}
    unknown = {"properties": [{"label-value": 1, "class": "tumour"}]}
    path = _foreign(tmp_path / "c.zarr", _pixels(), label=unknown)
    with pytest.raises(OntologyError, match=r"value 1.*tumour"):
        _read(path, default_label="stroma")


def test_numbers_of_objects_are_one_annotation_each(tmp_path: Path) -> None:
    path = _foreign(tmp_path / "a.zarr", _pixels())
    read = {a.geometry.area: a for a in _read(path, default_label="nucleus")}
    assert set(read) == {300, 20_000 - 400}
    assert read[300].geometry.geom_type == "MultiPolygon"


@pytest.mark.parametrize("axes", ["yx", "xy", "tcyx"])
def test_axes_come_in_any_order(tmp_path: Path, axes: str) -> None:
    pixels = {"yx": _pixels(), "xy": _pixels().T, "tcyx": _pixels()[None, None]}[axes]
    scale = (1.0,) * (len(axes) - 2) + (0.25, 0.25)
    path = _foreign(
        tmp_path / "a.zarr", pixels, axes=axes, scale=scale, label=CLASSES["properties"]
    )
    assert (1000, 1000, 1200, 1100) in [a.geometry.bounds for a in _read(path)]


def test_a_label_of_a_part_lies_where_it_says(tmp_path: Path) -> None:
    pixels = np.ones((100, 200), np.uint8)
    at = (0.25 * (300 + 0.5), 0.25 * (400 + 0.5))  # centre of the first pixel of 2 × 2
    path = _foreign(
        tmp_path / "a.zarr", pixels, scale=(0.5, 0.5), translation=at, label=CLASSES["properties"]
    )
    assert [a.geometry.bounds for a in _read(path)] == [(400, 300, 800, 500)]


def test_without_a_scale_a_label_covers_the_slide_or_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((1250, 1500), np.uint8)
    pixels[10:20, 10:20] = 1
    path = _foreign(tmp_path / "a.zarr", pixels, scale=None, label=CLASSES["properties"])
    assert [a.geometry.bounds for a in _read(path)] == [(40, 40, 80, 80)]
    path = _foreign(tmp_path / "b.zarr", pixels.T.copy(), scale=None)
    with pytest.raises(AnnotationError, match=r"b\.zarr.*another slide"):
        _read(path)
    path = _foreign(tmp_path / "c.zarr", pixels)
    with pytest.raises(AnnotationError, match=r"c\.zarr.*another slide.*1500 × 1250"):
        _read(path)


@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (np.full((5000, 6000), -1, np.int32), "out of range"),
        (np.full((5000, 6000), 2**31, np.uint32), "out of range"),
        (np.ones((5000, 6000), np.float32), "whole numbers"),
    ],
)
def test_values_that_number_nothing_are_refused(
    tmp_path: Path, pixels: np.ndarray[Any, np.dtype[Any]], fault: str
) -> None:
    path = _foreign(tmp_path / "a.zarr", pixels)
    with pytest.raises(AnnotationError, match=rf"a\.zarr.*{fault}"):
        _read(path, default_label="nucleus")


def test_one_label_of_an_image_is_found_and_of_several_one_must_be_named(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "a.zarr", zarr_format=3)
    root.attrs.put({"ome": {"version": "0.5", "multiscales": []}})
    labels = root.create_group("labels")
    _foreign(tmp_path / "a.zarr" / "labels" / "cells", _pixels(), label=CLASSES["properties"])
    for names, fault in (
        (["cells"], None),
        (["cells", "b"], "which label.*cells, b"),
        ([], "none"),
    ):
        labels.attrs.put({"ome": {"version": "0.5", "labels": names}})
        if fault is None:
            assert len(_read(tmp_path / "a.zarr")) == 3
            continue
        with pytest.raises(AnnotationError, match=fault):
            _read(tmp_path / "a.zarr")
    assert len(_read(tmp_path / "a.zarr" / "labels" / "cells")) == 3


def test_an_image_without_labels_is_told_so(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "a.zarr", zarr_format=3)
    root.attrs.put({"ome": {"version": "0.5", "multiscales": []}})
    assert not format_named("ome-zarr-labels").recognises(tmp_path / "a.zarr")
    with pytest.raises(AnnotationError, match="no OME-Zarr label"):
        _read(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("version", "file"),
    [("0.4", ".zattrs"), ("0.4", "0/.zarray"), ("0.5", "zarr.json"), ("0.5", "0/zarr.json")],
)
def test_metadata_that_parsers_read_in_two_ways_are_refused(
    tmp_path: Path, version: str, file: str
) -> None:
    path = _foreign(tmp_path / "a.zarr", _pixels(), version=version, label=CLASSES["properties"])
    text = (path / file).read_text("utf8")
    key, value = next(iter(json.loads(text).items()))
    twice = f'"{key}": {json.dumps(value)}, ' + text.lstrip()[1:]
    (path / file).write_text("{" + twice, "utf8")
    assert len(_read(path)) == 3  # the same said twice: all parsers agree
    (path / file).write_text(f'{{"{key}": "another", ' + text.lstrip()[1:], "utf8")
    assert format_named("ome-zarr-labels").recognises(path)
    with pytest.raises(AnnotationError, match=rf"a\.zarr, {Path(file).name}.*twice in one object"):
        _read(path)


def test_a_label_of_a_store_comes_back_as_annotations(tiled: Study, slide_id: str) -> None:
    store = SlideStore(tiled.store_path(slide_id))
    outline = box(200, 20, 280, 60)
    drawn = replace(annotation("a", "dcis", outline), slide_id=slide_id, status=Status.VALIDATED)
    rasterise_annotations(store, [drawn], tiled.ontology, AnnotationChoice(unsigned=True))
    context = ReadingContext(slide_id, tiled.ontology, "R9", frame=SlideFrame.of(store))
    path = store.path / "labels" / "annotation.all"
    read = list(format_named("ome-zarr-labels").read(path, context, ExchangeReport("x")))
    assert [(a.label, a.geometry.bounds) for a in read] == [("dcis", outline.bounds)]
