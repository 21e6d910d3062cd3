from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import LeakError, NoTissueError, StoreError, StudyError
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.splits.split import SUBSETS, SplitKind

LABEL = "annotation/generator"
PATIENTS = tuple(f"P{i:015d}" for i in range(4))
StudyMaker = Callable[..., Study]


def module(study: Study, **changes: object) -> StoreDataModule:
    values: dict[str, object] = {
        "study": study.path,
        "classes": ("nucleus",),
        "label": LABEL,
        "spec": TileSpec(64, 0.5, 16, 0.1),
        "batch_size": 2,
        "split": SplitKind.AREA,
        "train_stride_px": 32,
        "guard_px": 16,
        "steps_per_epoch": 3,
    }
    return StoreDataModule(**(values | changes))  # type: ignore[arg-type]  # checked by running


def relabel(study: Study, values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    for row in study.cohort:
        store = SlideStore(study.store_path(row.slide_id))
        recipe = LabelRecipe("made/up", study.ontology.classes, {"origin": "method"})
        writer = LabelWriter(store.path, store.header, recipe)
        writer.class_map.write((0, 0), values)
        writer.finish()


def test_area_split_of_one_slide(make_study: StudyMaker) -> None:
    data = module(make_study(PATIENTS[0]))
    data.setup()
    assert set(data.split.subsets) == set(SUBSETS)
    assert len(data.tiles["train"]) > len(data.tiles["test"]) > 0
    images, target = next(iter(data.train_dataloader()))
    assert (images.shape, target.shape) == ((2, 3, 64, 64), (2, 64, 64))
    assert len(data.train_dataloader()) == 3
    assert sum(len(images) for images, _ in data.test_dataloader()) == len(data.tiles["test"])
    before = data.split
    data.setup()
    assert data.split is before


def test_patient_split_keeps_slides_whole(make_study: StudyMaker) -> None:
    data = module(make_study(*PATIENTS), split=SplitKind.PATIENT)
    data.setup()
    of_slide = data.split.subset_of_slide()
    for subset, tiles in data.tiles.items():
        slides = {data.slides[i].slide_id for i in np.unique(tiles.slide)}
        assert slides == {s for s, where in of_slide.items() if where == subset}


def test_tiles_that_nobody_assessed_are_left_out(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    values = np.full((512, 512), 255, np.uint8)
    values[:256], values[40:60, 40:400] = 0, 21
    relabel(study, values)
    data = module(study, label="made/up", block_tiles=1)
    data.setup()
    for tiles in data.tiles.values():
        assert tiles.origins_px[:, 1].max() < 256


def test_one_patient_is_told_of_the_area_split(make_study: StudyMaker) -> None:
    with pytest.raises(LeakError, match="--split area"):
        module(make_study(PATIENTS[0]), split=SplitKind.PATIENT).setup()


def test_no_store(study: Study) -> None:
    with pytest.raises(StudyError, match="pathoai tile"):
        module(study).setup()


@pytest.mark.parametrize("label", ["import/hematoxylin", "tissue"])
def test_missing_label_lists_those_there_are(make_study: StudyMaker, label: str) -> None:
    with pytest.raises(StudyError, match=f"allowed: {LABEL}. Remedy: .*pathoai label"):
        module(make_study(PATIENTS[0]), label=label).setup()


def test_labels_of_one_class(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    relabel(study, np.zeros((512, 512), np.uint8))
    with pytest.raises(StudyError, match=r"found only background.*label some nucleus"):
        module(study, label="made/up").setup()


def test_labels_without_background_name_the_way_out(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    relabel(study, np.full((512, 512), 21, np.uint8))
    with pytest.raises(StudyError, match=r"label some background.*--exhaustive"):
        module(study, label="made/up").setup()


def test_values_of_no_class(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    relabel(study, np.full((512, 512), 99, np.uint8))
    with pytest.raises(StoreError, match="no class of the ontology; found \\[99\\]"):
        module(study, label="made/up").setup()


def test_too_little_tissue(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    with pytest.raises(NoTissueError, match="no labelled tile"):
        module(study, spec=TileSpec(4096, 0.5, 0, 0.9)).setup()


def test_a_guard_that_leaves_nothing_to_train_on(make_study: StudyMaker) -> None:
    with pytest.raises(StudyError, match="no labelled tile is left for train"):
        module(make_study(PATIENTS[0]), guard_px=400).setup()


def test_split_before_setup(study: Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not set up"):
        _ = module(study).split
