"""A generated cohort of cervical biopsies, as a study: stores, features of an encoder, grades.

Four grades, eighteen unbalanced centres that stain differently, and readers who are off by one
grade on 15 % of the slides. A slide has three fragments, of which one holds its worst lesion, in a
part of its epithelium, and perhaps a milder one; its true grade is that of the worst region. The
other two are benign: turned and mirrored ones of a pool, because painting costs most; what many
slides share so tells no grade. Stains are those of centre and day, and each fragment is
normalised, as ``pathoai tile --normalise macenko`` does it with a slide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
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
from pathoai.preprocess.slide_normalisation import SlideNormalisation
from pathoai.preprocess.stain.estimation import profile_of_pixels
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.stain.stain_jitter import change_stains
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, plan_slide
from pathoai.testing.slide_painter import SlidePainter
from pathoai.testing.slide_truth import SlideTruth
from pathoai.testing.staining import Textures
from pathoai.tiling.spec import TileSpec

GRADES = ("benign", "lsil", "hsil", "invasive_scc")
CENTRES = 18
READER_NOISE = 0.15
ENCODER = "efficientnet-lite0-stage-3"
_PREVALENCE = (0.25, 0.25, 0.28, 0.22)
_SIDE_PX, MPP = 512, 1.5
TILE_PX = 64
_SEEN_UM2 = 4000.0
"""A lesion of less than this, 63 µm squared, is too small to be the grade of a slide."""
_TEXTURES, _POOL, _BENIGN = 16, 240, 2
_GLASS, _SAMPLED = 225, 7
"""Pixels as bright as this are glass; every seventh of the others tells the stains."""


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
    prior = np.random.default_rng([seed, 0]).dirichlet(12 * np.array(_PREVALENCE), size=CENTRES)
    prior[-1] = (1, 0, 0, 0)
    return [_planned(number, prior, seed) for number in range(slides)]


def _planned(number: int, prior: NDArray[np.float64], seed: int) -> PlannedSlide:
    """A slide of its own random numbers: a larger cohort begins with the slides of a smaller."""
    rng = np.random.default_rng([seed, 4, number])
    sizes = 0.85 ** np.arange(CENTRES)
    centre = int(rng.choice(CENTRES, p=sizes / sizes.sum()))
    grade = int(rng.choice(4, p=prior[centre]))
    off = rng.random() < READER_NOISE
    step = int(rng.choice([-1, 1]))
    read = grade + off * (step if 0 <= grade + step <= 3 else -step)
    return PlannedSlide(number, centre, grade, int(read))


def make_cohort(folder: Path, *, slides: int, seed: int) -> tuple[Study, list[PlannedSlide]]:
    """The study, made or gone on with: a finished slide is not made again."""
    planned = plan_cohort(slides, seed)
    study = Study.create(folder / "study", ontology="cervix")
    Cohort(slide.row for slide in planned).write(study.path / "cohort.csv")
    extractor = _extractor(folder / "encoders")
    pool = _benign_pool(folder / "benign.npy", seed)
    for slide in planned:
        path = study.store_path(slide.slide_id)
        if not is_complete(path):
            _write_store(path, slide.slide_id, paint(slide, pool, seed))
        extract_features(SlideStore(path), extractor)
        print(f"\r{slide.number + 1} of {slides} slides", end="", flush=True)
    print()
    truth = {slide.slide_id: slide.grade for slide in planned}
    (folder / "truth.json").write_text(json.dumps(truth))
    return study, planned


def paint(slide: PlannedSlide, pool: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """The pixels ``(512, 1536, 3)`` uint8: three fragments, stained as its centre does."""
    rng = np.random.default_rng([seed, 6, slide.number])
    fragments = [paint_worst(slide, seed)]
    for place in rng.choice(len(pool), _BENIGN, replace=False):
        turned = np.rot90(pool[place], int(rng.integers(4)))
        mirrored = turned[::-1] if rng.random() < 0.5 else turned
        fragments.append(_normalised(_stained(np.ascontiguousarray(mirrored), slide, seed)))
    return np.hstack([fragments[i] for i in rng.permutation(len(fragments))])


def paint_worst(slide: PlannedSlide, seed: int) -> NDArray[np.uint8]:
    """The fragment ``(512, 512, 3)`` uint8 that shows the slide's grade."""
    rng = np.random.default_rng([seed, 1, slide.number])
    milder = (int(rng.integers(1, slide.grade)),) if slide.grade > 1 and rng.random() < 0.4 else ()
    painted = _painted(_biopsy(slide.grade, milder, rng), slide.number)
    return _normalised(_stained(painted, slide, seed))


def _benign_pool(path: Path, seed: int) -> NDArray[np.uint8]:
    """Benign fragments ``(240, 512, 512, 3)``, painted once."""
    if not path.exists():
        rng = np.random.default_rng([seed, 5])
        pool = [_painted(_biopsy(0, (), rng), number) for number in range(_POOL)]
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.stack(pool))
        partial.rename(path)
    return np.asarray(np.load(path, mmap_mode="r"))


def _painted(truth: SlideTruth, number: int) -> NDArray[np.uint8]:
    painter = _Painter(truth, _textures(number % _TEXTURES))
    return painter.paint(0, 0, _SIDE_PX, _SIDE_PX)


def _biopsy(grade: int, milder: tuple[int, ...], rng: np.random.Generator) -> SlideTruth:
    """A biopsy whose worst region, large enough to be seen, is of that grade."""
    lesions = tuple(GRADES[k] for k in (*milder, grade) if k)
    while True:
        truth = plan_slide(
            SlideRecipe(
                width=_SIDE_PX,
                height=_SIDE_PX,
                mpp=MPP,
                seed=int(rng.integers(2**31)),
                organ="cervix",
                tissue_fraction=float(rng.uniform(0.35, 0.65)),
                lesions=lesions,
            )
        )
        areas = [r.polygon.area for r in truth.regions if r.class_key == GRADES[grade]]
        if sum(areas) * MPP**2 >= _SEEN_UM2:
            return truth


class _Painter(SlidePainter):
    """Paints with textures that several slides share: to draw them takes as long as to paint."""

    def __init__(self, truth: SlideTruth, textures: Textures) -> None:
        self.layout = truth.layout
        self.nuclei = truth.nuclei
        self.artefacts = truth.artefact_fields
        self.textures = textures


@cache
def _textures(seed: int) -> Textures:
    return Textures.of(seed=seed, mpp=MPP)


def _stained(pixels: NDArray[np.uint8], slide: PlannedSlide, seed: int) -> NDArray[np.uint8]:
    """The amounts of the stains as the centre, and the day, have them."""
    centre = np.random.default_rng([seed, 2, slide.centre])
    day = np.random.default_rng([seed, 3, slide.number])
    scale = np.exp(centre.normal(0, [0.25, 0.25, 0.5]) + day.normal(0, 0.06, 3))
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    changed = change_stains(batch, torch.from_numpy(scale)[None], torch.zeros(1, 3))
    return np.ascontiguousarray(changed[0].numpy().transpose(1, 2, 0))


def _normalised(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As if stained like the reference that comes with pathoai."""
    tissue = pixels[pixels.min(axis=2) < _GLASS]
    stains = profile_of_pixels(tissue[::_SAMPLED], "macenko")
    return SlideNormalisation(stains, reference_profile("macenko")).pixels(pixels)


def _write_store(path: Path, slide_id: str, pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape[:2]
    header = StoreHeader(slide_id, width, height, MPP, MPP, MPP)
    writer = ImageWriter(path, header)
    _write_all(writer.finest, pixels.transpose(2, 0, 1))
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    _write_all(mask.class_map, (pixels.min(axis=2) < _GLASS).astype(np.uint8))
    mask.finish()
    writer.finish()


def _write_all(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    for shard in shards_of(pixels.shape):
        rows, columns = shard_slices(shard, pixels.shape)
        writer.write(shard, pixels[..., rows, columns])


def _extractor(folder: Path) -> FeatureExtractor:
    """The fourth of EfficientNet-Lite0's five stages, on small tiles: it takes any size."""
    entry = replace(shipped_encoders()[ENCODER], size_px=TILE_PX)
    encoder = register_package(EncoderRegistry(folder), entry)
    device = torch.device("cpu")
    spec = TileSpec(TILE_PX, MPP, min_tissue_fraction=0.3)
    return FeatureExtractor(encoder, load_encoder(encoder, device), device, spec, threads=1)
