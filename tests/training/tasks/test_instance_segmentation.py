from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathoai.errors import StudyError
from pathoai.inference.find_objects import find_objects
from pathoai.inference.predict_slide import Predictor, predict_slide
from pathoai.models.bundle import load_bundle, load_network
from pathoai.models.instance_maps import instance_maps
from pathoai.store.label_image import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_training.data.instance_data import InstanceDataModule
from pathoai_training.metrics.panoptic import count_objects
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.split import SplitKind
from pathoai_training.tasks.instance_segmentation import InstanceLoss
from pathoai_training.train import train

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
    # The same objects come out of a prediction: its class map keeps those that touch apart.
    network = load_network(study.model_path(NAME), load_bundle(study.model_path(NAME)), CPU)
    (row,) = study.cohort
    store = SlideStore(study.store_path(row.slide_id))
    label = predict_slide(store, Predictor(bundle, network, study.ontology, CPU))
    found = len(find_objects(label, classes=tuple(bundle.class_indices(study.ontology)[1:])))
    true = int(np.max(store.label("annotation/generator").instances()[:]))
    assert 0.6 * true < found < 1.4 * true


def test_every_batch_holds_maps_that_follow_from_its_numbers(
    make_study: StudyMaker, small: list[str]
) -> None:
    data = module(make_study(PATIENT), small)
    images, target, maps, numbers = next(iter(data.val_dataloader()))
    assert (images.dtype, target.dtype, maps.dtype) == (torch.uint8, torch.uint8, torch.float32)
    for tile in range(len(images)):
        expected = instance_maps(numbers[tile].numpy().astype(np.uint32))
        np.testing.assert_array_equal(maps[tile].numpy(), expected)
    assert torch.equal(target == 1, numbers > 0)


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
    loss = InstanceLoss(dice_weight=1.0, map_weight=4.0)
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, 3, 8, 8, generator=generator)
    target = torch.full((1, 8, 8), 255)
    target[0, :4] = 1
    maps = torch.rand(1, 1, 8, 8, generator=generator)
    changed = outputs.clone()
    changed[:, :, 4:] += 5
    assert loss(outputs, target, maps) == loss(changed, target, maps)
    nowhere = torch.full((1, 8, 8), 255)
    assert torch.isfinite(loss(outputs, nowhere, maps))
