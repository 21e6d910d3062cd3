"""Studies and annotations that the tests of annotations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

SLIDE = "0123456789ABCDEF"
RING = Polygon(box(80, 80, 480, 480).exterior, [box(160, 160, 320, 320).exterior])

Draw = Callable[..., Annotation]


@pytest.fixture
def draw() -> Draw:
    """Make an annotation; the same name gives the same id."""

    def make(
        name: str = "a",
        *,
        geometry: BaseGeometry = RING,
        slide_id: str = SLIDE,
        label: str = "dcis",
        origin: Origin = Origin.PATHOLOGIST,
        author: str = "R1",
        confidence: float | None = None,
        derived_from: str | None = None,
    ) -> Annotation:
        return Annotation(
            deterministic_id(slide_id, name),
            slide_id,
            label,
            geometry,
            origin,
            author,
            confidence=confidence,
            derived_from=derived_from,
        )

    return make


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of one slide; its file bears a name that must not leave."""
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    made = Study.create(tmp_path / "study", ontology="breast", title="A study")
    source = tmp_path / "DOE_Jane_B12-3456.svs"
    source.write_bytes(b"no pixels are needed")
    made.add([IncomingSlide(source, patient="Jane Doe")])
    return made


@pytest.fixture
def slide_id(study: Study) -> str:
    (row,) = study.cohort
    return row.slide_id


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def reviewed(study: Study, slide_id: str, draw: Draw) -> Study:
    """A study with one annotation of each status."""
    with Journal.open(study) as opened:
        proposals = [
            draw(name, slide_id=slide_id, geometry=box(10 * i, 0, 10 * i + 8, 8), **how)
            for i, (name, how) in enumerate(_PROPOSALS.items())
        ]
        opened.propose(proposals)
        by_name = dict(zip(_PROPOSALS, (a.id for a in proposals), strict=True))
        opened.validate([by_name["validated"]], author="R1")
        opened.correct(by_name["corrected"], author="R2", geometry=RING)
        opened.reject([by_name["rejected"]], author="R1")
    return study


_MODEL = {"origin": Origin.MODEL, "author": "model", "confidence": 0.75}
_PROPOSALS: dict[str, dict[str, object]] = {
    "proposed": {"label": "stroma"},
    "validated": {
        "label": "nucleus_lymphocyte",
        **_MODEL,
        "derived_from": "model:unet@" + "ab" * 32,
    },
    "corrected": {"label": "dcis", **_MODEL, "derived_from": "model:unet@" + "ab" * 32},
    "rejected": {"label": "dcis", **_MODEL},
}


@pytest.fixture
def tiled(study: Study, slide_id: str) -> Study:
    """The study with its slide's store: 2100 × 60 pixels, two shards, tissue but for a margin."""
    write_store(study, StoreHeader(slide_id, 4200, 120, 0.25, 0.25, 0.5))
    return study


@pytest.fixture
def scanned_in_part(study: Study, slide_id: str) -> Study:
    """The same, of a slide whose scanned part starts at x 1000, y 20 of its canvas."""
    bounds = (1000.0, 20.0, 3000.0, 100.0)
    write_store(study, StoreHeader(slide_id, 4200, 120, 0.25, 0.25, 0.5, bounds=bounds))
    return study


def write_store(study: Study, slide: StoreHeader) -> None:
    """A slide's store, of one colour, with tissue but for a margin."""
    path = study.store_path(slide.slide_id)
    image = ImageWriter(path, slide)
    _write(image.finest, np.full(image.finest.array.shape, 200, np.uint8))
    tissue_class = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    recipe = LabelRecipe("tissue", (tissue_class,), {"origin": "method"}, factor=4)
    tissue = LabelWriter(path, slide, recipe)
    mask = np.zeros(tissue.class_map.array.shape, np.uint8)
    mask[3:, 5:-7] = 1
    _write(tissue.class_map, mask)
    tissue.finish()
    image.finish()


def _write(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    for shard in shards_of(writer.array.shape):
        rows, columns = shard_slices(shard, writer.array.shape)
        writer.write(shard, np.ascontiguousarray(pixels[..., rows, columns]))
