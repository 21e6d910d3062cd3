from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathoai.errors import StudyError
from pathoai.inference.find_objects import objects_of
from pathoai.inference.instances import apart
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.metrics.panoptic import count_objects
from pathoai.models.bundle import load_bundle, load_network
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_training.data.instance_data import InstanceDataModule
from pathoai_training.data.instance_maps import instance_maps
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.split import SplitKind
from pathoai_training.tasks.instance_segmentation import InstanceLoss, gaps, lined
from pathoai_training.train import train
from tests.training.conftest import LABEL

NAME = "breast-nuclei-segmentation"
PATIENT = "P000000000000000"
CPU = torch.device("cpu")
StudyMaker = Callable[..., Study]


def module(study: Study, small: list[str], *more: str) -> InstanceDataModule:
    recipe = read_recipe(NAME, [*small, *more])
    data = build(recipe, study=study.path, split=SplitKind.AREA).data
    assert isinstance(data, InstanceDataModule)
    data.setup()
    return data


def test_objects_are_learnt_predicted_and_counted(make_study: StudyMaker, small: list[str]) -> None:
    study = make_study(PATIENT)
    steps = ("trainer.max_steps=80", "trainer.steps_per_epoch=40", "model.arguments.width=8")
    bundle = train(study, read_recipe(NAME, [*small, *steps]), split=SplitKind.AREA, device="cpu")
    metrics = bundle.training["metrics"]
    assert (bundle.task, bundle.classes) == ("instance-segmentation", ("background", "nucleus"))
    assert bundle.outputs == 3
    assert metrics["dice"]["nucleus"] > 0.8
    assert metrics["f1"]["any"] == metrics["f1"]["nucleus"] > 0.5
    assert metrics["panoptic_quality"]["any"] < metrics["f1"]["any"]
    assert metrics["objects"] > 5
    # The same objects come out of a prediction.
    network = load_network(study.model_path(NAME), load_bundle(study.model_path(NAME)), CPU)
    (row,) = study.cohort
    store = SlideStore(study.store_path(row.slide_id))
    label = predict_slide(store, Predictor(bundle, network, study.ontology, CPU))
    tables = objects_of(label, classes=tuple(bundle.class_indices(study.ontology)[1:]))
    found = sum(len(table) for table in tables)
    assert found == int(np.max(label.instances()[:]))
    true = int(np.max(store.label("annotation/generator").instances()[:]))
    assert 0.6 * true < found < 1.4 * true


def test_every_batch_holds_maps_that_follow_from_its_numbers(
    make_study: StudyMaker, small: list[str]
) -> None:
    study = make_study(PATIENT)
    data = module(study, small)
    images, target, maps, numbers = next(iter(data.val_dataloader()))
    assert (images.dtype, target.dtype, maps.dtype) == (torch.uint8, torch.uint8, torch.float32)
    assert torch.equal(target == 1, numbers > 0)
    # A tile does not change what it cuts: its maps are those of a larger piece of the slide.
    label = SlideStore(study.store_path(data.slides[0].slide_id)).label(LABEL)
    whole = np.asarray(label.instances()[:])
    size = data.tiles["validation"].size_px
    for (x, y), one_maps, one_numbers in zip(
        data.tiles["validation"].origins_px, maps, numbers, strict=False
    ):
        top, left = max(0, y - 32), max(0, x - 32)
        expected = instance_maps(whole[top : y + size + 32, left : x + size + 32])
        here = np.s_[y - top : y - top + size, x - left : x - left + size]
        np.testing.assert_allclose(one_maps.numpy(), expected[:, *here], rtol=1e-6)
        np.testing.assert_array_equal(
            one_numbers.numpy(), whole[y : y + size, x : x + size].astype(np.int32)
        )


def test_a_label_whose_objects_run_together_is_refused(
    make_study: StudyMaker, small: list[str]
) -> None:
    study = make_study(PATIENT)
    (row,) = study.cohort
    store = SlideStore(study.store_path(row.slide_id))
    values = store.label("annotation/generator").read_all()
    for name, about in (("made/blobs", {}), ("made/apart", {"objects_apart": True})):
        recipe = LabelRecipe(name, study.ontology.classes, {"origin": "method", **about})
        writer = LabelWriter(store.path, store.header, recipe)
        writer.class_map.write((0, 0), values)
        writer.finish()
    with pytest.raises(StudyError, match=r"neighbours that touch are one.*pathoai label"):
        module(study, small, "data.label=made/blobs")
    _, target, _, numbers = next(
        iter(module(study, small, "data.label=made/apart").val_dataloader())
    )
    for one_target, one_numbers in zip(target, numbers, strict=True):
        pieces, count = ndimage.label(one_target.numpy() == 1)
        assert count_objects(pieces, one_numbers.numpy()).matched == count
        assert torch.equal(one_target == 1, one_numbers > 0)


def test_maps_weigh_only_where_someone_looked() -> None:
    loss = InstanceLoss(dice_weight=1.0, map_weight=4.0, gap_weight=4.0)
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, 3, 8, 8, generator=generator)
    target = torch.full((1, 8, 8), 255)
    target[0, :4] = 1
    numbers = (target == 1).int()
    maps = torch.rand(1, 1, 8, 8, generator=generator)
    changed = outputs.clone()
    changed[:, :, 4:] += 5
    assert loss(outputs, target, maps, numbers) == loss(changed, target, maps, numbers)
    nowhere = torch.full((1, 8, 8), 255)
    assert torch.isfinite(loss(outputs, nowhere, maps, numbers))


def test_neighbours_are_parted_by_a_line_and_what_lies_between_weighs_more() -> None:
    numbers = torch.zeros(1, 12, 12, dtype=torch.int32)
    numbers[0, 2:10, 1:5], numbers[0, 2:10, 5:9] = 7, 3  # touch between columns 4 and 5
    target = (numbers > 0).long()
    expected = numbers[0].numpy() > 0
    expected &= apart(numbers[0].numpy().astype(np.uint32))
    np.testing.assert_array_equal(lined(target, numbers)[0].numpy() == 1, expected)
    between = gaps(numbers)[0]
    for row, column in np.ndindex(12, 12):
        square = numbers[0, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        assert between[row, column] == (len(set(square[square > 0].tolist())) > 1)
    unknown = torch.where(target == 1, 255, 0)
    assert torch.equal(lined(unknown, numbers), unknown)
    outputs = torch.zeros(1, 3, 12, 12)
    outputs[0, 1, 2:10, 1:9] = 9.0  # sees one object, and is sure of it
    maps = torch.from_numpy(instance_maps(numbers[0].numpy()))[None]
    plain, weighed = (
        InstanceLoss(dice_weight=0, map_weight=0, gap_weight=w)(outputs, target, maps, numbers)
        for w in (0.0, 4.0)
    )
    assert weighed > 1.5 * plain
