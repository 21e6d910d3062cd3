"""A generated cohort of cervical biopsies, as a study: stores, features of an encoder, grades.

Four grades, eighteen unbalanced centres that stain differently, and readers who are off by one
grade on 15 % of the slides. A slide has four fragments, of which only one need hold its worst
lesion; its true grade is that of the worst region painted on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.inference.extract_features import FeatureExtractor, extract_features
from pathoai.models.encoder import shipped_encoders
from pathoai.models.encoder_registry import EncoderRegistry
from pathoai.models.encoder_weights import load_encoder
from pathoai.models.register_encoder import register_package
from pathoai.ontology import LabelClass
from pathoai.preprocess.stain.stain_jitter import change_stains
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_image import LabelRecipe, LabelWriter
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai.testing.slide_truth import SlideTruth
from pathoai.tiling.spec import TileSpec

GRADES = ("benign", "lsil", "hsil", "invasive_scc")
CENTRES = 18
READER_NOISE = 0.15
ENCODER = "efficientnet-lite0-112"
_PREVALENCE = (0.30, 0.30, 0.25, 0.15)
_FRAGMENT_PX, _MPP = 448, 1.0
_TILE_PX = 112
_SEEN_UM2 = 4000.0
"""A lesion of less than this, 63 µm squared, is too small to be the grade of a slide."""


@dataclass(frozen=True)
class PlannedSlide:
    """A slide before it is painted.

    Args:
        number: Its place in the cohort; everything random follows from it and from the seed.
        centre: 0 to 17.
        grade: True grade, position in :data:`GRADES`.
        read: What the reader said, likewise.
    """

    number: int
    centre: int
    grade: int
    read: int

    @property
    def slide_id(self) -> str:
        """Its code."""
        return f"S{self.number:015d}"

    @property
    def row(self) -> CohortRow:
        """Its row in the cohort; each slide is of a patient of its own."""
        return CohortRow(
            self.slide_id,
            patient_id=f"P{self.number:015d}",
            centre_id=f"C{self.centre:015d}",
            grade=GRADES[self.read],
        )


def plan_cohort(slides: int, seed: int) -> list[PlannedSlide]:
    """Deal slides to centres, and give each a true grade and a reader's.

    Sizes of centres fall off geometrically; each has a prevalence of its own, and the last one
    sees benign slides only, as in the challenge's data.
    """
    rng = np.random.default_rng([seed, 0])
    sizes = 0.85 ** np.arange(CENTRES)
    centres = rng.choice(CENTRES, size=slides, p=sizes / sizes.sum())
    prior = rng.dirichlet(12 * np.array(_PREVALENCE), size=CENTRES)
    prior[-1] = (1, 0, 0, 0)
    planned = []
    for number, centre in enumerate(centres):
        grade = int(rng.choice(4, p=prior[centre]))
        off = rng.random() < READER_NOISE
        step = int(rng.choice([-1, 1]))
        read = grade + off * (step if 0 <= grade + step <= 3 else -step)
        planned.append(PlannedSlide(number, int(centre), grade, int(read)))
    return planned


def make_cohort(folder: Path, *, slides: int, seed: int) -> tuple[Study, list[PlannedSlide]]:
    """The study, made or gone on with: a finished slide is not made again."""
    planned = plan_cohort(slides, seed)
    study = Study.create(folder / "study", ontology="cervix")
    Cohort(slide.row for slide in planned).write(study.path / "cohort.csv")
    extractor = _extractor(folder / "encoders")
    for slide in planned:
        path = study.store_path(slide.slide_id)
        if not is_complete(path):
            _write_store(path, slide.slide_id, paint(slide, seed))
        extract_features(SlideStore(path), extractor)
        print(f"\r{slide.number + 1} of {slides} slides", end="", flush=True)
    print()
    truth = {slide.slide_id: slide.grade for slide in planned}
    (folder / "truth.json").write_text(json.dumps(truth))
    return study, planned


def paint(slide: PlannedSlide, seed: int) -> NDArray[np.uint8]:
    """The pixels ``(896, 896, 3)`` uint8: two by two fragments, stained as its centre does."""
    rng = np.random.default_rng([seed, 1, slide.number])
    worst = int(rng.integers(4))
    fragments = []
    for place in range(4):
        lower = int(rng.integers(1, slide.grade)) if slide.grade > 1 and rng.random() < 0.4 else 0
        grade = slide.grade if place == worst else lower
        truth = _fragment(grade, rng)
        fragments.append(paint_region(truth, 0, 0, _FRAGMENT_PX, _FRAGMENT_PX))
    rows = [np.hstack(fragments[:2]), np.hstack(fragments[2:])]
    return _stained(np.vstack(rows), slide, seed)


def _fragment(grade: int, rng: np.random.Generator) -> SlideTruth:
    """A fragment whose worst region, large enough to be seen, is of that grade."""
    lesions = (GRADES[grade],) if grade else ()
    while True:
        truth = plan_slide(
            SlideRecipe(
                width=_FRAGMENT_PX,
                height=_FRAGMENT_PX,
                mpp=_MPP,
                seed=int(rng.integers(2**31)),
                organ="cervix",
                tissue_fraction=float(rng.uniform(0.35, 0.65)),
                lesions=lesions,
            )
        )
        areas = [r.polygon.area for r in truth.regions if r.class_key == GRADES[grade]]
        if sum(areas) * _MPP**2 >= _SEEN_UM2:
            return truth


def _stained(pixels: NDArray[np.uint8], slide: PlannedSlide, seed: int) -> NDArray[np.uint8]:
    """The amounts of the stains as the centre, and the day, have them."""
    centre = np.random.default_rng([seed, 2, slide.centre])
    day = np.random.default_rng([seed, 3, slide.number])
    scale = np.exp(centre.normal(0, [0.25, 0.25, 0.5]) + day.normal(0, 0.06, 3))
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    changed = change_stains(batch, torch.from_numpy(scale)[None], torch.zeros(1, 3))
    return np.ascontiguousarray(changed[0].numpy().transpose(1, 2, 0))


def _write_store(path: Path, slide_id: str, pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape[:2]
    header = StoreHeader(slide_id, width, height, _MPP, _MPP, _MPP)
    writer = ImageWriter(path, header)
    _write_all(writer.finest, pixels.transpose(2, 0, 1))
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    _write_all(mask.class_map, (pixels.min(axis=2) < 225).astype(np.uint8))
    mask.finish()
    writer.finish()


def _write_all(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    for shard in shards_of(pixels.shape):
        rows, columns = shard_slices(shard, pixels.shape)
        writer.write(shard, pixels[..., rows, columns])


def _extractor(folder: Path) -> FeatureExtractor:
    """EfficientNet-Lite0 on tiles of 112 px: it takes any size, this one four times as fast."""
    entry = replace(shipped_encoders()["efficientnet-lite0"], key=ENCODER, size_px=_TILE_PX)
    encoder = register_package(EncoderRegistry(folder), entry)
    device = torch.device("cpu")
    spec = TileSpec(_TILE_PX, _MPP, min_tissue_fraction=0.2)
    return FeatureExtractor(encoder, load_encoder(encoder, device), device, spec, threads=1)
