"""The tests of every format, for formats of rasters."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays
from shapely import MultiPolygon, Point, Polygon, box
from shapely.affinity import affine_transform

from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from pathoai.vector.polygonise import polygonise
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.part import Part
from pathoai_annotations.slide_frame import Corner
from tests.annotations.formats.conformance import FRAME, GOLDEN, FormatConformance, annotation


class RasterConformance(FormatConformance):
    """Samples lie on the edges of the pixels that are written by default: 2 level-0 pixels."""

    def pairs(
        self, read: list[Annotation], written: list[Annotation]
    ) -> Iterator[tuple[Annotation, Annotation]]:
        """Where ids are lost, outlines of one box are told apart by their points."""
        if Part.IDENTITY not in self.format.cannot_carry:
            yield from super().pairs(read, written)
            return

        def place(one: Annotation) -> tuple[Any, ...]:
            return (*one.geometry.bounds, one.geometry.normalize().wkt)

        yield from zip(sorted(read, key=place), sorted(written, key=place), strict=True)

    def samples(self) -> list[Annotation]:
        """One annotation of each kind that does not touch another of its class."""
        hole = Polygon(box(3000, 3000, 3040, 3060).exterior, [box(3010, 3010, 3020, 3020).exterior])
        model = {"origin": Origin.MODEL, "author": "model", "confidence": 0.75}
        source = "model:unet@" + "ab" * 32
        numbers = {"Area µm^2": 31.25, "n": -3.0}
        return [
            annotation("golden", "dcis", GOLDEN),
            annotation("plain", "stroma", box(3500, 3500, 3510, 3520), status=Status.VALIDATED),
            annotation("hole", "dcis", hole, **model, derived_from=source),
            # Across the borders of blocks of 1024 and of shards of 2048 pixels.
            annotation("cut", "dcis", box(4000, 4000, 4400, 4200), measurements=numbers),
            annotation("point", "mitosis", Point(5100.5, 4100.25), confidence=1.0),
            annotation("line", "stroma", shapely.LineString([(4400, 4400), (4500, 4450.5)])),
        ]

    @settings(
        max_examples=6,
        deadline=None,
        # Each format runs this test, with its own files.
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(arrays(np.bool_, (10, 12)))
    def test_outlines_with_holes_come_back(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        """Those of a mask, exactly, whatever its holes and the corners where its parts touch."""
        if not mask.any():
            return
        pieces = [
            affine_transform(p.polygon, (8, 0, 0, 8, 4000, 4000))
            for p in polygonise(mask * np.uint8(1))
        ]
        written = [annotation(f"{i}", "dcis", outline) for i, outline in enumerate(pieces)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"file{self.suffix}")
            self.write(path, written)
            read, _ = self.read(path)
        for found, one in self.pairs(read, written):
            assert found.geometry.normalize().equals(one.geometry.normalize())
            assert found.geometry.area == one.geometry.area

    def test_a_file_that_counts_from_the_scanned_part_comes_back_on_the_canvas(
        self, path: Path
    ) -> None:
        """It covers that part alone: what lies without is told, and what reaches out is cut."""
        across = annotation("across", "dcis", box(900, 3000, 1100, 3100))
        _, report = self.write(path, [*self.samples(), across], corner=Corner.BOUNDS)
        assert report.lost[Part.AREAS] == 2
        read, _ = self.read(path, corner=Corner.BOUNDS)
        cut = replace(across, geometry=box(1000, 3000, 1100, 3100))
        inside = [a for a in self.carried() if a.geometry.bounds[0] >= 1000]
        for found, written in self.pairs(read, [*inside, cut]):
            self.assert_same_outline(found.geometry, written.geometry)

    def test_what_lies_off_the_slide_is_named_or_cut_and_told(self, path: Path) -> None:
        """A raster of another size is another slide's."""
        self.write(path, self.carried())
        small = replace(FRAME, size=Size(5000, FRAME.size.height), bounds=None)
        with pytest.raises(AnnotationError, match="another slide"):
            self.read(path, frame=small, repair=True)

    def several(self) -> Annotation:
        """An outline of two parts."""
        parts = MultiPolygon([box(6000, 6000, 6010, 6010), box(6020, 6000, 6040, 6010)])
        return annotation("several", "stroma", parts)

    def test_what_holds_no_pixel_centre_is_told(self, path: Path) -> None:
        thin = annotation("thin", "stroma", box(7000, 7000.2, 7400, 7000.8))
        tiny = annotation("tiny", "stroma", box(7101.2, 7101.2, 7101.8, 7101.8))
        seen = annotation("seen", "stroma", box(7200.5, 7200.5, 7201.5, 7201.5))
        count, report = self.write(path, [thin, tiny, seen])
        assert (count, report.lost[Part.AREAS]) == (1, 2)
        ((read,), _) = self.read(path)
        assert read.geometry.bounds == (7200, 7200, 7202, 7202)

    @pytest.mark.parametrize("mpp", [0.25, 1.0, 2.0])
    def test_the_golden_ring_keeps_its_area_at_every_scale(self, path: Path, mpp: float) -> None:
        self.write(path, self.samples()[:1], mpp=mpp)
        ((read,), _) = self.read(path)
        assert read.geometry.normalize().equals(GOLDEN.normalize())
        assert read.geometry.area == 134_400

    def test_the_scale_and_its_loss_are_told(self, path: Path) -> None:
        _, report = self.write(path, self.samples(), mpp=2.0)
        assert any("pixels of 2 µm" in note for note in report.to_dict()["notes"])

    def test_a_scale_that_divides_no_pixel_moves_edges_by_half_a_pixel(self, path: Path) -> None:
        circle = annotation("circle", "dcis", Point(8000, 8000).buffer(400))
        self.write(path, [circle], mpp=0.66)
        ((read,), _) = self.read(path)
        pixel = 0.66 / 0.25
        assert shapely.hausdorff_distance(read.geometry, circle.geometry) < pixel * np.sqrt(2)
        assert read.geometry.area == pytest.approx(circle.geometry.area, rel=0.01)
