"""Networks learn from labels of restained slides; what is not trusted in them is ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import load_recipe
from pathoai.ihc.trust import Trust
from pathoai.ihc.write_labels import label_marker
from pathoai.ontology import NOT_ASSESSED
from pathoai.quality.artefacts import ARTEFACTS
from pathoai.quality.artefacts import LABEL as ARTEFACTS_LABEL
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import TISSUE, SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.split import SplitKind
from pathoai_training.train import train
from tests.training.conftest import SIDE_PX, painted, write_all
from tests.training.data.test_data_module import module

StudyMaker = Callable[..., Study]
LABEL = "ihc/AE1AE3"
_REFUSED_PX = 128


def _judged_clean(path: Path, header: StoreHeader) -> None:
    """Painted tissue has no texture to be in focus: an artefact map that is there is used."""
    about = {"origin": "method", "not_assessed": []}
    recipe = LabelRecipe(ARTEFACTS_LABEL, ARTEFACTS, about, factor=32)
    writer = LabelWriter(path, header, recipe)
    write_all(writer.class_map, np.zeros((SIDE_PX // 32, SIDE_PX // 32), np.uint8))
    writer.finish()


def _restained(fixed: SlideStore, path: Path) -> SlideStore:
    """The first slide of a made study with its dark discs in brown."""
    inside = painted(0)[1] > 0
    colour = np.where(inside, np.array([140, 100, 70])[:, None, None], 0)
    colour += np.where(inside, 0, np.array([215, 218, 232])[:, None, None])
    header = StoreHeader("R000000000000000", SIDE_PX, SIDE_PX, 0.5, 0.5, 0.5)
    image = ImageWriter(path, header)
    write_all(image.finest, colour.astype(np.uint8))
    tissue = LabelWriter(path, header, LabelRecipe(TISSUE, fixed.label(TISSUE).shown_classes, {}))
    write_all(tissue.class_map, np.ones((SIDE_PX, SIDE_PX), np.uint8))
    tissue.finish()
    _judged_clean(path, header)
    image.finish()
    return SlideStore(path)


def _registration(fixed: SlideStore, moving: SlideStore) -> Registration:
    here, there = PlacedSlide.of_store(fixed), PlacedSlide.of_store(moving)
    grid = tile_grid(here, 64.0)
    state = np.full((grid.size_px.height, grid.size_px.width), np.uint8(TileState.BELIEVABLE))
    state[:, : _REFUSED_PX // 128] = TileState.REFUSED
    nothing = np.zeros(state.shape, np.float32)
    quality = RegistrationQuality(64.0, grid, nothing + 1, nothing, state)
    return Registration(SlideTransform(here, there, np.eye(2, 3)), quality)


def test_a_network_learns_from_ihc_and_ignores_what_is_not_trusted(
    make_study: StudyMaker, small: list[str], tmp_path: Path
) -> None:
    study = make_study("P000000000000000", label=None)
    (row,) = study.cohort
    twin = CohortRow("R000000000000000", row.patient_id, stain="IHC", marker="AE1AE3", pair="a")
    Cohort([replace(row, pair="a"), twin]).write(study.path / "cohort.csv")
    fixed = SlideStore(study.store_path(row.slide_id))
    _judged_clean(fixed.path, fixed.header)
    moving = _restained(fixed, tmp_path / "R000000000000000.zarr")
    pair = MarkedPair.seen(
        fixed, moving, _registration(fixed, moving), load_recipe("AE1AE3"), study.ontology
    )
    label = label_marker(pair, device=torch.device("cpu")).read_all()
    trust = fixed.label("trust/AE1AE3").read_all()
    np.testing.assert_array_equal(label == NOT_ASSESSED, trust != Trust.TRUSTED)
    assert (label[:, :_REFUSED_PX] == NOT_ASSESSED).all()

    data = module(study, label=LABEL, classes=("epithelial_cell",))
    data.setup()
    for _, targets in data.test_dataloader():
        assert set(np.unique(targets.numpy())) <= {0, 1, NOT_ASSESSED}
    for tiles in data.tiles.values():
        assert tiles.origins_px[:, 0].min() > _REFUSED_PX - 64

    overrides = [*small, f"data.label={LABEL}", "classes=[epithelial_cell]"]
    bundle = train(
        study,
        read_recipe("breast-tissue-segmentation", overrides),
        split=SplitKind.AREA,
        device="cpu",
    )
    assert bundle.training["steps"] == 12
