"""Classes of regions: learnt, calibrated, decided by cost, the same again by the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, ModelError, RecipeError
from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.expected_cost import CostMatrix, load_costs
from pathoai.models.bundle import REGION_CLASSIFICATION, load_bundle, load_network
from pathoai.models.calibration import Calibration
from pathoai.models.encoder import shipped_encoders
from pathoai.models.encoder_network import build_timm
from pathoai.models.encoder_registry import EncoderRegistry, RegisteredEncoder
from pathoai.models.encoder_weights import read_state
from pathoai.models.region_classifier import RegionClassifier
from pathoai.models.turns import dihedral
from pathoai.provenance import sha256_of_file
from pathoai.store.objects import read_objects
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_training.data.region_data import RegionData
from pathoai_training.evaluation.evaluate import evaluate
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import Recipe, read_recipe
from pathoai_training.report.predictions import SlidePredictions
from pathoai_training.tasks.ordinal_loss import OrdinalLoss
from pathoai_training.tasks.region_classification import RegionClassification, RegionLoss
from pathoai_training.tasks.region_examination import RegionExamination, examine_regions
from pathoai_training.train import train
from tests.pathoai.made_encoders import TINY_VIT, tiny_encoder, write_weights

NAME = "breast-cell-classification"
PATIENTS = tuple(f"P{i:015d}" for i in range(4))
GRADES = ("benign", "lsil", "hsil", "invasive_scc")
StudyMaker = Callable[..., Study]
Capture = pytest.CaptureFixture[str]


def test_it_learns_from_the_journal_and_says_how(
    make_cells: StudyMaker, small_cells: list[str], capsys: Capture
) -> None:
    study = make_cells(*PATIENTS)
    words = [word for override in small_cells for word in ("--set", override)]
    assert main(["train", str(study.path), "--recipe", NAME, "--device", "cpu", *words]) == 0
    out = capsys.readouterr().out
    assert "Balanced accuracy" in out
    bundle = load_bundle(study.model_path(NAME))
    metrics = bundle.training["metrics"]
    assert metrics["balanced_accuracy"] > 0.9
    assert metrics["regions"] == 25
    assert sum(n for row in metrics["confusion"].values() for n in row.values()) == 25
    assert bundle.task == REGION_CLASSIFICATION
    assert bundle.classes == ("nucleus_lymphocyte", "nucleus_neoplastic")
    decision = {"turns": 8, "regions": "annotations"}
    assert (bundle.spec.size_px, bundle.decision) == (24, decision)
    assert bundle.calibration.temperature != 1
    assert "100 validated annotations, validated by a pathologist" in bundle.intended_use
    network = load_network(study.model_path(NAME), bundle, torch.device("cpu"))
    assert network.context == (2,)
    assert main(["predict", str(study.path), "--model", NAME, "--device", "cpu"]) == 0
    with Journal.open(study) as journal:
        truth = {str(a.id): a.label for a in journal.annotations()}
    said: dict[str, str] = {}
    for row in study.cohort:
        table = read_objects(study.objects_path(row.slide_id, f"prediction/{NAME}"))
        keys = [study.ontology.by_index[index].key for index in table.class_index.tolist()]
        said |= dict(zip(table.columns["annotation_id"].tolist(), keys, strict=True))
    assert set(said) == set(truth)
    assert np.mean([said[one] == key for one, key in truth.items()]) > 0.9


def test_training_is_repeated_to_the_same_weights_and_learns_anew_from_other_annotations(
    make_cells: StudyMaker, small_cells: list[str]
) -> None:
    study = make_cells(*PATIENTS)
    short = read_recipe(NAME, [*small_cells, "trainer={max_steps: 6, steps_per_epoch: 3}"])
    whole = train(study, short, name="whole", device="cpu")
    again = train(study, short, name="again", device="cpu")
    assert whole.weights_sha256 == again.weights_sha256
    with Journal.open(study) as journal:
        journal.reject([journal.annotations()[0].id], author="R1")
    with pytest.raises(ModelError, match=r"trained otherwise; found other labels of 1 slides;"):
        train(study, short, name="whole", device="cpu")
    other = train(study, short, name="whole", replace=True, device="cpu")
    assert other.training["fingerprint"] != whole.training["fingerprint"]


def test_examination_is_the_mean_over_the_eight_turns(
    make_cells: StudyMaker, small_cells: list[str]
) -> None:
    study = make_cells(*PATIENTS)
    workshop = build(read_recipe(NAME, small_cells), study=study.path, split="patient")
    model, data = workshop.model, workshop.data
    data.setup()
    assert isinstance(model, RegionClassification)
    assert isinstance(data, RegionData)
    found = model.examine(data, "validation")
    dataset = data.dataset("validation")
    views = torch.stack([v for v, _ in dataset.__getitems__(list(range(len(dataset))))])
    with torch.no_grad():
        expected = sum(model(dihedral(views, turn)) for turn in range(8)) / 8
    torch.testing.assert_close(found.logits, expected)
    assert found.target.tolist() == data.regions["validation"].classes.tolist()
    slides = data.regions["validation"].tiles.slide
    assert found.slide_ids.tolist() == [data.slide_ids[i] for i in slides]
    ids = np.array(data.slide_ids)
    plain = examine_regions(model, dataset, ids, batch_size=7)
    with torch.no_grad():
        torch.testing.assert_close(plain.logits, model(views))
    assert not torch.allclose(plain.logits, found.logits)


def examination(seed: int, classes: int, count: int = 60) -> RegionExamination:
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(count) % classes
    logits = torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), target] += 1.5
    return RegionExamination(logits, target, np.array(["S"] * count))


def test_decisions_by_cost_are_scored_with_their_company() -> None:
    model = RegionClassification(
        classes=GRADES, arguments={"arguments": {"width": 4}}, costs="tissuenet"
    )
    validation, measured = examination(0, 4), examination(1, 4)
    found = model.conclude(validation, measured)
    assert isinstance(found.calibration, Calibration)
    probabilities = found.calibration.probabilities(measured.logits).double().numpy()
    costs = load_costs("tissuenet")
    decided = costs.decide(probabilities)
    truth = measured.target.numpy()
    score = found.metrics["costs"]
    assert score["score"] == pytest.approx(1 - costs.array[truth, decided].mean(), abs=1e-6)
    assert set(score["score_of_constant"]) == set(GRADES)
    best = max(score["score_of_constant"].values())
    assert score["score_above_constant"] == pytest.approx(score["score"] - best, abs=2e-6)
    right = [(decided[truth == k] == k).mean() for k in range(4)]
    assert found.metrics["balanced_accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    table = np.array([list(row.values()) for row in found.metrics["confusion"].values()])
    np.testing.assert_array_equal(table, confusion_by_item(truth, decided, classes=4).sum(0))
    assert CostMatrix.from_dict(found.decision["costs"]) == costs


def test_a_class_that_the_subset_lacks_is_told_as_none() -> None:
    model = RegionClassification(classes=("stroma", "dcis"), arguments={"arguments": {"width": 4}})
    measured = examination(1, 2)
    alone = RegionExamination(measured.logits[::2], measured.target[::2], measured.slide_ids[::2])
    found = model.conclude(measured, alone).metrics
    assert found["recall"]["dcis"] is None
    assert found["balanced_accuracy"] == found["recall"]["stroma"]


def cervix(tmp_path: Path, *overrides: str) -> tuple[RegionClassification, RegionData]:
    study = Study.create(tmp_path / "cervix", ontology="cervix")
    recipe = read_recipe("cervix-region-classification", overrides)
    workshop = build(recipe, study=study.path, split="patient")
    assert isinstance(workshop.model, RegionClassification)
    assert isinstance(workshop.data, RegionData)
    return workshop.model, workshop.data


def test_the_recipe_of_the_cervix_learns_the_order_of_grades(tmp_path: Path) -> None:
    model, data = cervix(tmp_path)
    model.check(data)
    assert isinstance(model.loss.order, OrdinalLoss)
    logits, target = torch.zeros(1, 4), torch.tensor([0])
    assert model.loss(logits, target) > RegionLoss()(logits, target)
    state = model.state_dict()
    assert not [key for key in state if key.startswith("loss.")]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.context=[4]", "other views than the data shows"),
        ("classes=[benign, stroma]", "no order.*stroma: grade None"),
        ("classes=[benign, lsil, hsil]", "costs weigh other classes"),
        ("classes=[lsil, benign, hsil, invasive_scc]", "costs weigh other classes"),
        ("classes=[benign, lsil, hsil, ais]", "costs weigh other classes"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(
    tmp_path: Path, override: str, says: str
) -> None:
    model, data = cervix(tmp_path, override)
    with pytest.raises(RecipeError, match=says):
        model.check(data)


@pytest.mark.parametrize(
    "changes", [{"class_weights": (1.0,)}, {"class_weights": (1.0, 0.0)}, {"ordinal_weight": -1.0}]
)
def test_impossible_weights_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=r"class_weights|ordinal_weight"):
        RegionClassification(classes=("stroma", "dcis"), **changes)  # type: ignore[arg-type]  # any


def test_a_heavier_class_weighs_more() -> None:
    logits, target = torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1])
    even = RegionLoss()(logits, target)
    assert RegionLoss(class_weights=(9.0, 1.0))(logits, target) > even


def test_evaluate_judges_every_region_of_the_test(
    make_cells: StudyMaker, small_cells: list[str]
) -> None:
    study = make_cells(*PATIENTS)
    short = [*small_cells, "trainer={max_steps: 4, steps_per_epoch: 4}"]
    bundle = train(study, read_recipe(NAME, short), device="cpu")
    report = evaluate(study, NAME, device="cpu")
    found = report.predictions
    assert isinstance(found, SlidePredictions)
    wanted = bundle.training["metrics"]["confusion"]
    assert found.confusion.sum(0).tolist() == [list(row.values()) for row in wanted.values()]
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    wrong = int((found.decided != found.truth).sum())
    assert len(report.cases) == min(wrong, 12) > 0
    assert all(case.title.startswith("true nucleus_") for case in report.cases)
    assert report.context.preparation == (
        "Squares of 24 px about the centre of each annotation, at 0.5 and 1 µm per pixel."
    )


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegisteredEncoder:
    """A small transformer for 0.5 µm, in a registry of the test's own."""
    monkeypatch.setenv("PATHOAI_ENCODERS", str(tmp_path / "encoders"))
    encoder = tiny_encoder(tmp_path)
    EncoderRegistry().put(encoder)
    return encoder


def on_tiny(small_cells: list[str], *more: str) -> Recipe:
    arguments = {
        "encoder": TINY_VIT["architecture"],
        "arguments": TINY_VIT["arguments"],
        "pooling": TINY_VIT["pooling"],
        "context": [2],
    }
    overrides = [
        *small_cells,
        f"model.arguments={json.dumps(arguments)}",
        "model.pretrained=tiny",
        "model.learning_rate=1e-5",
        "data.spec={size_px: 16, mpp: 0.5}",
        "trainer={max_steps: 1, steps_per_epoch: 1}",
    ]
    return read_recipe(NAME, [*overrides, *more])


def test_training_begins_with_a_registered_encoder_and_says_so(
    make_cells: StudyMaker, small_cells: list[str], registered: RegisteredEncoder
) -> None:
    study = make_cells(*PATIENTS)
    bundle = train(study, on_tiny(small_cells), device="cpu")
    assert bundle.encoder == registered.about
    assert bundle.normalisation.mean == (0.7, 0.6, 0.7)
    network = load_network(study.model_path(NAME), bundle, torch.device("cpu"))
    start = build_timm(TINY_VIT["architecture"], TINY_VIT["arguments"], TINY_VIT["pooling"])
    start.load_state_dict(read_state(registered, start))
    assert isinstance(network, RegionClassifier)
    for name, tensor in start.state_dict().items():
        # One step of 1e-5 from there; from random weights they would be far away.
        torch.testing.assert_close(network.encoder.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)
    EncoderRegistry().put(tiny_encoder(registered.path.parent, seed=1))
    with pytest.raises(ModelError, match=r"found other weights of the encoder;"):
        train(study, on_tiny(small_cells), device="cpu")
    other = train(study, on_tiny(small_cells), replace=True, device="cpu")
    assert other.training["fingerprint"] != bundle.training["fingerprint"]


def test_the_shipped_recipe_begins_with_its_encoder_as_deep_as_it_says(
    make_cells: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHOAI_ENCODERS", str(tmp_path / "encoders"))
    entry = shipped_encoders()["efficientnet-lite0"]
    path = write_weights(entry, tmp_path / "random.safetensors")
    EncoderRegistry().put(RegisteredEncoder(entry, path, sha256_of_file(path)))
    study = make_cells(*PATIENTS)
    overrides = [
        "classes=[nucleus_lymphocyte, nucleus_neoplastic]",
        "model.learning_rate=1e-9",
        "data.batch_size=4",
        "trainer={max_steps: 1, steps_per_epoch: 1}",
    ]
    bundle = train(study, read_recipe(NAME, overrides), device="cpu")
    assert bundle.encoder["key"] == "efficientnet-lite0"
    assert (bundle.spec.mpp, bundle.normalisation.mean) == (0.25, (0.5, 0.5, 0.5))
    network = load_network(study.model_path(NAME), bundle, torch.device("cpu"))
    assert isinstance(network, RegionClassifier)
    kernels = {k: v for k, v in network.encoder.state_dict().items() if v.ndim == 4}
    assert {name.split(".")[1] for name in kernels if name.startswith("blocks")} == set("01234")
    begun = load_file(path)
    for name, kernel in kernels.items():
        torch.testing.assert_close(kernel, begun[name])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.spec={size_px: 16, mpp: 1.0}", "another scale"),
        ("model.pretrained=resnet50", "no weights of this encoder"),
        ("model.arguments={encoder: small, context: [2]}", "does not take this encoder"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(
    make_cells: StudyMaker,
    small_cells: list[str],
    registered: RegisteredEncoder,
    override: str,
    says: str,
) -> None:
    with pytest.raises(ModelError, match=says):
        train(make_cells(*PATIENTS), on_tiny(small_cells, override), device="cpu")
