"""A study of one section, in H&E and restained, registered and labelled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.cli.main import main
from pathoai.ontology import LabelClass
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

HE, IHC = (f"{letter}{0:015d}" for letter in "AB")
SIDE = 512
# (x, y, radius) of what the antibody binds, in pixels of 0.5 µm.
DISCS = [(120, 130, 30), (300, 250, 50), (420, 100, 20)]


def _discs() -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.asarray(np.any([(x - a) ** 2 + (y - b) ** 2 < r**2 for a, b, r in DISCS], axis=0))


def _store(study: Study, slide_id: str, outside: tuple[int, ...], inside: tuple[int, ...]) -> None:
    header = StoreHeader(slide_id, SIDE, SIDE, 0.5, 0.5, 0.5)
    noise = np.random.default_rng(0).integers(-6, 7, (3, SIDE, SIDE))
    colour = np.where(_discs(), np.array(inside)[:, None, None], np.array(outside)[:, None, None])
    image = ImageWriter(study.store_path(slide_id), header)
    image.finest.write((0, 0), np.clip(colour + noise, 0, 255).astype(np.uint8))
    kind = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    tissue = LabelWriter(study.store_path(slide_id), header, LabelRecipe("tissue", (kind,), {}))
    tissue.class_map.write((0, 0), np.ones((SIDE, SIDE), np.uint8))
    tissue.finish()
    image.finish()


def _register(study: Study) -> None:
    here, there = (PlacedSlide.of_store(SlideStore(study.store_path(i))) for i in (HE, IHC))
    grid = tile_grid(here, 64.0)
    shape = (grid.size_px.height, grid.size_px.width)
    quality = RegistrationQuality(
        64.0,
        grid,
        np.ones(shape, np.float32),
        np.zeros(shape, np.float32),
        np.full(shape, np.uint8(TileState.BELIEVABLE)),
    )
    transform = SlideTransform(here, there, np.eye(2, 3))
    Registration(transform, quality).save(study.registration_path(HE, IHC))


def _recipe(folder: Path) -> Path:
    """The shipped one, but for its vetoes: a section of two colours looks blurred everywhere."""
    shipped = resources.files("pathoai.ihc") / "recipes" / "AE1AE3.yaml"
    path = folder / "recipe.yaml"
    path.write_text(shipped.read_text("utf8") + "\nvetoes: []\n", "utf8")
    return path


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Such a study, made once."""
    folder = tmp_path_factory.mktemp("labelled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = Study.create(folder / "study", ontology="breast")
        rows = [
            CohortRow(HE, pair="one"),
            CohortRow(IHC, stain="IHC", pair="one", marker="AE1AE3"),
        ]
        Cohort(rows).write(study.path / "cohort.csv")
        _store(study, HE, (225, 160, 200), (205, 140, 190))
        _store(study, IHC, (215, 218, 232), (140, 100, 70))
        _register(study)
        words = ["--marker", "AE1AE3", "--recipe", str(_recipe(folder)), "--device", "cpu"]
        assert main(["label", str(study.path), *words]) == 0
        yield study.path


@pytest.fixture
def study(labelled: Path, tmp_path: Path) -> Study:
    """A copy of it, for one test."""
    return Study(Path(shutil.copytree(labelled, tmp_path / "study")))
