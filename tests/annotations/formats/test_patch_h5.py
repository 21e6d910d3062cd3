"""Patch coordinates: squares as CLAM and TRIDENT write them, and the tiles of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from shapely import Point, box

from pathoai.errors import AnnotationError, InvalidValueError, OntologyError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.patch_coordinates import (
    PatchCoordinates,
    read_patch_coordinates,
    write_patch_coordinates,
)
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.formats.annotation_format import ReadingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from tests.annotations.formats.conformance import FRAME, SLIDE, FormatConformance, annotation
from tests.annotations.formats.machine_words import machine_words_in
from tests.annotations.formats.says_its_size import SaysItsSize

BREAST = FormatConformance.ontology


class TestPatchH5(SaysItsSize):
    name, suffix = "patch-h5", ".h5"

    def samples(self) -> list[Annotation]:
        """Squares of one size, and what is none."""
        model = {"origin": Origin.MODEL, "author": "model", "confidence": 0.75}
        source = "model:unet@" + "ab" * 32
        return [
            annotation("a", "dcis", box(3000, 3000, 3256, 3256)),
            annotation("b", "dcis", box(3256, 3000, 3512, 3256), **model, derived_from=source),
            annotation("c", "stroma", box(4000, 3000, 4256, 3256), measurements={"n": 1.0}),
            annotation("point", "mitosis", Point(4100.5, 4100.25)),
        ]

    def test_an_export_of_nothing_is_read_as_nothing(self, path: Path) -> None:
        """A file without patches could not say how large they are."""
        with pytest.raises(AnnotationError, match="no annotation is a square"):
            self.write(path, [])

    def test_other_outlines_and_sizes_are_told(self, path: Path) -> None:
        others = [
            annotation("larger", "dcis", box(0, 0, 512, 512)),
            annotation("round", "dcis", Point(5000, 5000).buffer(128)),
            annotation("oblong", "dcis", box(0, 0, 256, 255)),
            annotation("between", "dcis", box(6000.5, 3000, 6256.5, 3256)),
        ]
        count, report = self.write(path, [*self.samples(), *others])
        assert count == 4
        assert report.lost[Part.AREAS] == 4
        assert {a.geometry.bounds[0] for a in self.read(path)[0]} == {3000, 3256, 4000, 6000}

    def test_what_trident_and_clam_need_is_there(self, path: Path) -> None:
        self.write(path, self.samples())
        with h5py.File(path) as file:
            coords, about = file["coords"][:], dict(file["coords"].attrs)
        assert coords.tolist() == [[3000, 3000], [3256, 3000], [4000, 3000]]
        assert coords.dtype.kind == "i"
        assert about["patch_size"] == about["patch_size_level0"] == 256
        assert about["level0_magnification"] == about["target_magnification"] == 40
        assert (about["level0_width"], about["level0_height"]) == (40_000, 30_000)
        assert (about["patch_level"], about["name"], about["overlap"]) == (0, SLIDE, 0)

    def test_no_path_lies_in_the_file(self, path: Path) -> None:
        self.write(path, self.samples())
        assert machine_words_in(path) == []


def _foreign(path: Path, coords: object, **attributes: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", data=coords).attrs.update(attributes)
    return path


def _read(path: Path, **how: object) -> list[Annotation]:
    known: dict[str, object] = {"frame": FRAME, "default_label": "stroma"}
    context = ReadingContext(SLIDE, BREAST, "R9", **(known | how))  # type: ignore[arg-type]  # fields by name
    return list(format_named("patch-h5").read(path, context, ExchangeReport("patch-h5")))


def test_clam_counts_patches_in_pixels_of_their_level(tmp_path: Path) -> None:
    about = {"patch_size": 256, "patch_level": 1, "downsample": (4.0, 4.0), "level_dim": (9, 9)}
    path = _foreign(
        tmp_path / "a.h5", [[0, 0], [1024, 0]], **about, name="x", save_path="/home/jane"
    )
    assert [a.geometry.bounds for a in _read(path)] == [(0, 0, 1024, 1024), (1024, 0, 2048, 1024)]


def test_trident_says_their_side_in_level_0_pixels(tmp_path: Path) -> None:
    about = {"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20}
    path = _foreign(tmp_path / "a.h5", [[512, 1024]], **about, name="TCGA-A2-A0YE")
    (read,) = _read(path)
    assert read.geometry.bounds == (512, 1024, 1024, 1536)
    assert (read.label, read.author) == ("stroma", "R9")
    with pytest.raises(AnnotationError, match=r"without a class.*--label"):
        _read(path, default_label=None)
    with pytest.raises(AnnotationError, match="another slide"):
        _read(path, known_as="TCGA-A2-XXXX")


@pytest.mark.parametrize(
    ("coords", "attributes", "fault"),
    [
        ([[0, 0]], {}, "how large"),
        ([[0, 0]], {"patch_size": 0, "patch_size_level0": 0}, "patch size"),
        ([0, 0], {"patch_size_level0": 256, "patch_size": 256}, "malformed coordinates"),
        ([[0, 0, 0]], {"patch_size_level0": 256, "patch_size": 256}, "malformed coordinates"),
        ([[0, 0]], {"patch_size": 9, "patch_size_level0": 9, "level0_width": 10}, None),
        (
            [[0, 0]],
            {"patch_size": 9, "patch_size_level0": 9, "level0_width": 10, "level0_height": 10},
            "another slide",
        ),
        ([[39_900, 0]], {"patch_size": 256, "patch_size_level0": 256}, "patch 1.*off the slide"),
    ],
)
def test_files_that_cannot_serve_are_refused(
    tmp_path: Path, coords: object, attributes: dict[str, Any], fault: str | None
) -> None:
    path = _foreign(tmp_path / "a.h5", coords, **attributes)
    if fault is None:
        assert len(_read(path)) == 1
        return
    with pytest.raises(AnnotationError, match=rf"a\.h5.*{fault}"):
        _read(path)


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    path = _foreign(tmp_path / "a.h5", [[0, 0]], patch_size=256, patch_size_level0=256)
    with h5py.File(path, "a") as file:
        file.create_dataset("class", data=["tumour"], dtype=h5py.string_dtype())
    with pytest.raises(OntologyError, match=r"patch 1.*tumour"):
        _read(path)
    assert _read(path, classes={"tumour": "dcis"})[0].label == "dcis"


def test_the_tiles_of_a_slide_come_back_where_they_are(tmp_path: Path) -> None:
    spec, mpp = TileSpec(256, 0.5, overlap_px=64), Mpp.square(0.25)
    grid = Grid.covering(Size(4000, 3000), mpp, 0.5)
    tiles = TileGrid(spec, grid, np.array([[0, 0], [192, 384]]), np.ones(2, np.float32))
    written = PatchCoordinates.of_tiles(tiles, SLIDE, Size(4000, 3000), mpp)
    write_patch_coordinates(tmp_path / "a.h5", written)
    read = read_patch_coordinates(tmp_path / "a.h5")
    assert read.origins.tolist() == [[0, 0], [384, 768]]
    assert (read.side, read.patch_px, read.overlap_px) == (512, 256, 64)
    assert (read.name, read.slide_size) == (SLIDE, Size(4000, 3000))
    with h5py.File(tmp_path / "a.h5") as file:
        about = dict(file["coords"].attrs)
    assert (about["level0_magnification"], about["target_magnification"]) == (40, 20)
    assert "patch_level" not in about  # of no level of the slide


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="length"):
        PatchCoordinates(np.zeros((2, 2), np.int64), 8, 8, columns={"n": np.zeros(3)})
