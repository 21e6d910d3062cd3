"""From graded slides to a bundle, and from the bundle to proposals: through the commands."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, ModelError, OntologyError, RecipeError, StudyError
from pathoai.inference.grade_slide import SlideGrader
from pathoai.inference.slide_grade import REFER, SlideGrade
from pathoai.models.bundle import SLIDE_GRADING, ModelBundle, load_bundle, load_network
from pathoai.models.gated_attention import GatedAttention
from pathoai.models.grade_decision import GradeDecision
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_training.data.bag_data import BagData
from pathoai_training.evaluation.evaluate import evaluate
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.tasks.slide_grading import SlideGrading
from pathoai_training.train import train
from tests.training.graded_study import (
    ENCODER,
    GRADES,
    LENGTH,
    SPEC,
    TILES,
    graded_study,
    lesion_tiles,
    small_recipe,
    write_features,
)

NAME = "cervix-grading"
TRAINED = small_recipe("trainer={max_steps: 150, steps_per_epoch: 75}")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 64 slides with a model that learnt from them."""
    study = graded_study(tmp_path_factory.mktemp("graded") / "study", GRADES * 16)
    torch.set_num_threads(1)
    train(study, read_recipe(NAME, TRAINED), device="cpu")
    return study.path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    """A copy that may be changed."""
    return Study(Path(shutil.copytree(made, tmp_path / "study")))


def bundle_of(study: Study, name: str = NAME) -> ModelBundle:
    return load_bundle(study.model_path(name))


def grader_of(study: Study) -> SlideGrader:
    bundle, device = bundle_of(study), torch.device("cpu")
    network = load_network(study.model_path(NAME), bundle, device)
    return SlideGrader(bundle, network, study.ontology, device)


def graded(study: Study, slide_id: str) -> SlideGrade:
    return grader_of(study).grade(SlideStore(study.store_path(slide_id)))[0]


def fails(capsys: Capture, *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error")]
    return line


def test_it_learns_and_the_score_never_stands_alone(made: Path) -> None:
    bundle = bundle_of(Study(made))
    found = bundle.training["metrics"]
    for name in ("minimum_cost", "most_probable"):
        for metrics in (found[name], found["mean_pool"][name]):
            assert set(metrics) == {"score", "quadratic_kappa", "recall"}
            assert len(metrics["recall"]) == 4
    assert found["minimum_cost"]["quadratic_kappa"] > 0.8
    assert found["minimum_cost"]["score"] > max(found["constant_decision"].values()) + 0.1
    assert found["slides"] == 13
    for name in ("graded", "missed"):
        share = found["referral"][name]
        assert share["low"] <= share["value"] <= share["high"]
    assert found["prediction_sets"]["aim"] == 0.9
    assert bundle.calibration.temperature != 1


def test_the_bundle_holds_what_a_workstation_needs(made: Path) -> None:
    study = Study(made)
    bundle = bundle_of(study)
    assert bundle.task == SLIDE_GRADING
    assert bundle.classes == ("benign", "lsil", "hsil", "invasive")
    assert bundle.spec == SPEC
    assert bundle.encoder == ENCODER
    assert bundle.arguments["features"] == LENGTH
    decision = GradeDecision.from_dict(bundle.decision, where=NAME)
    assert decision.referral.accepted_miss_rate == 0.2
    assert decision.referral.costs.key == "tissuenet"
    assert "weak" in bundle.intended_use
    # The baseline is no part of it.
    weights = load_file(study.model_path(NAME) / "weights.safetensors")
    network = GatedAttention(classes=4, **bundle.arguments)
    assert set(weights) == set(network.state_dict())
    text = (study.model_path(NAME) / "bundle.json").read_text("utf8")
    for secret in (str(study.path), str(Path.cwd()), str(Path.home())):
        assert secret not in text


def test_networks_share_nothing_and_weights_follow_from_the_seed(study: Study) -> None:
    workshop = build(read_recipe(NAME, small_recipe()), study=study.path, split="patient")
    model = workshop.model
    assert isinstance(model, SlideGrading)
    data = workshop.data
    assert isinstance(data, BagData)
    before = torch.get_rng_state()
    data.setup()
    model.check(data)
    assert torch.equal(torch.get_rng_state(), before)
    own = {id(p) for p in model.network.parameters()}
    assert own
    assert not own & {id(p) for p in model.baseline.parameters()}
    first = {k: v.clone() for k, v in model.network.state_dict().items()}
    model.check(data)
    assert all(torch.equal(v, first[k]) for k, v in model.network.state_dict().items())
    # Of all tiles of all training slides, because they are few.
    tiles = torch.cat([bag for bag, _ in (data.dataset("train")[i, -1] for i in range(38))])
    torch.testing.assert_close(first["scale.mean"], tiles.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        first["scale.deviation"], tiles.std(0, correction=0), rtol=1e-4, atol=1e-5
    )


def test_attention_finds_the_tiles_that_tell_the_grade(study: Study) -> None:
    grader, hit = grader_of(study), []
    for seed, row in enumerate(study.cohort):
        if row.grade == "benign":  # nothing need be looked at
            continue
        grade, weights = grader.grade(SlideStore(study.store_path(row.slide_id)))
        assert weights.shape == (TILES,)
        assert weights.sum() == pytest.approx(1)
        assert sum(grade.probabilities) == pytest.approx(1)
        hit.append(weights[lesion_tiles(seed)].sum())
    assert np.mean(hit) > 0.4  # 3 of 64 by chance


class PowerCut(Exception):
    """Ends a run between two checkpoints."""


def test_an_interrupted_run_ends_with_the_same_weights(study: Study) -> None:
    """Dropout and samples included; the caller's random numbers have no part in it."""
    recipe, before = read_recipe(NAME, small_recipe()), torch.get_rng_state()
    train(study, recipe, name="straight", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)

    def cut(done: int, _: int) -> None:
        if done == 7:
            raise PowerCut

    with pytest.raises(PowerCut):
        train(study, recipe, name="cut", device="cpu", advance=cut)
    torch.rand(5)
    steps: list[int] = []
    train(study, recipe, name="cut", device="cpu", advance=lambda done, _: steps.append(done))
    assert steps[0] > 1
    files = [study.model_path(n) / "weights.safetensors" for n in ("straight", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    one, other = (bundle_of(study, n) for n in ("straight", "cut"))
    assert one.decision == other.decision
    assert one.training["metrics"] == other.training["metrics"]


def test_predict_writes_a_table_and_the_tiles_it_rests_on(study: Study, capsys: Capture) -> None:
    some = [row.slide_id for row in study.cohort][1:9]
    words = ["predict", str(study.path), "--model", NAME, "--workers", "1", "--slides", *some]
    assert main(words) == 0
    assert "a doctor decides" in capsys.readouterr().out
    with (study.path / "predictions" / f"{NAME}.csv").open(newline="") as file:
        lines = {line["slide_id"]: line for line in csv.DictReader(file)}
    assert list(lines) == some
    grader = grader_of(study)
    for slide_id, line in lines.items():
        store = SlideStore(study.store_path(slide_id))
        grade, weights = grader.grade(store)
        assert line["decision"] == grade.decision
        assert float(line["probability_hsil"]) == pytest.approx(grade.probabilities[2], abs=1e-5)
        assert line["prediction_set"].split() == list(grade.prediction_set)
        assert line["status"] == "proposed"
        path = study.objects_path(slide_id, f"grade/{NAME}")
        assert path.parent in study.derived_copies(slide_id)
        table = read_objects(path)
        assert table.source["status"] == "proposed"
        assert table.source["model_sha256"] == grader.bundle.identity
        assert SlideGrade.from_dict(table.source["grade"]) == grade
        order = np.argsort(-weights)[: len(table)]
        np.testing.assert_allclose(table.probability, weights[order], rtol=1e-5)
        regions = [store.features("tiny").region(int(i)) for i in order]
        corners = [(r.x, r.y, r.x + r.width, r.y + r.height) for r in regions]
        assert [box.bounds for box in table.geometry] == corners
        np.testing.assert_allclose(table.area_um2, (16 * 0.5) ** 2)
        index = NOT_ASSESSED if grade.is_referred else study.ontology[grade.decision].index
        assert set(table.class_index.tolist()) == {index}
    assert len({line["decision"] for line in lines.values()} - {REFER}) >= 2
    assert len(list(study.provenance_path.glob("predict-*.json"))) == len(some)
    assert main(words) == 0  # nothing is done twice
    assert len(list(study.provenance_path.glob("predict-*.json"))) == len(some)


def test_with_too_few_patients_every_slide_is_referred(study: Study) -> None:
    settings = [*small_recipe(), "model.accepted_miss_rate=0.02"]
    train(study, read_recipe(NAME, settings), device="cpu", replace=True)
    for row in list(study.cohort)[:4]:
        grade = graded(study, row.slide_id)
        assert grade.is_referred
        assert "needs 49 calibration patients" in grade.summary


def test_a_slide_unlike_the_others_is_told(study: Study) -> None:
    decision = json.loads((study.model_path(NAME) / "bundle.json").read_text())["decision"]
    count = len(decision["familiarity"]["distances"])
    row = next(iter(study.cohort))
    path = study.store_path(row.slide_id)
    features = SlideStore(path).features("tiny").read()
    write_features(path, 4, seed=0)
    assert not np.array_equal(SlideStore(path).features("tiny").read(), features)
    # As unlike as a slide can be among so few: the note needs nineteen.
    assert graded(study, row.slide_id).familiarity == pytest.approx(1 / (count + 1))


def test_features_of_another_encoder_are_refused_with_the_command(
    study: Study, capsys: Capture
) -> None:
    rows = list(study.cohort)
    words = ["predict", str(study.path), "--model", NAME, "--workers", "1", "--slides"]
    for about, says in (
        ({"weights_sha256": "c" * 64}, "not of the encoder that the model was trained on"),
        ({"description_sha256": "c" * 64}, "not of the encoder that the model was trained on"),
        ({"store_sha256": "c" * 64}, "made of other pixels"),
    ):
        write_features(study.store_path(rows[0].slide_id), 0, seed=0, **about)  # type: ignore[arg-type]  # as above
        line = fails(capsys, *words, rows[0].slide_id)
        assert says in line
        assert "pathoai features STUDY --encoder tiny" in line
    shutil.rmtree(study.store_path(rows[0].slide_id) / "features")
    assert "pathoai features STUDY --encoder" in fails(capsys, *words, rows[0].slide_id)
    # The others are done, and in the table.
    assert main([*words, rows[0].slide_id, rows[1].slide_id]) == 1
    text = (study.path / "predictions" / f"{NAME}.csv").read_text()
    assert rows[1].slide_id in text
    assert rows[0].slide_id not in text


def test_grades_are_torch_s(study: Study, capsys: Capture) -> None:
    words = ["predict", str(study.path), "--model", NAME, "--runtime", "onnx"]
    line = fails(capsys, *words)
    assert "what takes time is their features; found onnx; allowed: auto, torch" in line


def test_features_of_other_tiles_are_refused_with_the_command(
    study: Study, capsys: Capture
) -> None:
    from dataclasses import replace

    row = next(iter(study.cohort))
    write_features(study.store_path(row.slide_id), 0, seed=0, spec=replace(SPEC, overlap_px=8))
    words = ["predict", str(study.path), "--model", NAME, "--slides", row.slide_id]
    line = fails(capsys, *words)
    assert "of other tiles" in line
    assert "--mpp 0.5 --overlap 0 --min-tissue" in line


def test_a_bundle_that_does_not_say_how_to_decide_is_refused(study: Study) -> None:
    path = study.model_path(NAME) / "bundle.json"
    raw = json.loads(path.read_text())
    raw["decision"].pop("sets")
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="does not say how to decide"):
        graded(study, next(iter(study.cohort)).slide_id)


@pytest.mark.parametrize(
    ("override", "error", "says"),
    [
        ("model.costs=tisuenet", RecipeError, "unknown cost matrix"),
        ("model.architecture=unet", ModelError, "classifies no bags|wrong arguments"),
        ("model.arguments={width: 3}", ModelError, "wrong arguments"),
        ("model.accepted_miss_rate=2", InvalidValueError, "accepted_miss_rate"),
        ("model.ordinal_weight=-1", InvalidValueError, "ordinal_weight"),
        ("classes=[benign, hsil]", RecipeError, "not of as many grades"),
    ],
)
def test_wrong_recipes_are_refused(
    study: Study, override: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        build(read_recipe(NAME, [*small_recipe(), override]), study=study.path, split="patient")


def test_costs_of_another_organ_are_refused_and_own_costs_are_taken(study: Study) -> None:
    costs = "{key: mine, ontology: %s, classes: [a, b, c, d], high_grade: c, costs: %s}"
    matrix = [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]]
    other = [*small_recipe(), f"model.costs={costs % ('breast', matrix)}"]
    with pytest.raises(RecipeError, match=r"another ontology.*allowed: cervix"):
        train(study, read_recipe(NAME, other), name="other", device="cpu")
    own = [*small_recipe(), f"model.costs={costs % ('cervix', matrix)}"]
    bundle = train(study, read_recipe(NAME, own), name="own", device="cpu")
    assert bundle.decision["referral"]["costs"]["key"] == "mine"


def test_costs_in_another_order_than_the_classes_are_refused(study: Study) -> None:
    costs = "{key: mine, ontology: cervix, classes: [invasive, hsil, lsil, benign], "
    costs += "high_grade: hsil, costs: [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]]}"
    recipe = read_recipe(NAME, [*small_recipe(), f"model.costs={costs}"])
    with pytest.raises(OntologyError, match=r"another order.*allowed: benign, lsil, hsil"):
        build(recipe, study=study.path, split="patient")


def test_nothing_is_published_of_who_left_while_it_was_trained(study: Study) -> None:
    gone = next(iter(study.cohort))

    def leaves(done: int, total: int) -> None:
        if done == total:
            study.cohort.without([gone.slide_id]).write(study.path / "cohort.csv")

    with pytest.raises(StudyError, match=r"1 of 64 slides are gone.*run the same command again"):
        train(study, read_recipe(NAME, small_recipe()), name="late", device="cpu", advance=leaves)
    assert not study.model_path("late").exists()
    assert not list((study.path / "runs" / "late").iterdir())
    bundle = train(study, read_recipe(NAME, small_recipe()), name="late", device="cpu")
    assert gone.slide_id not in (study.model_path("late") / "bundle.json").read_text("utf8")
    split = bundle.training["split"]
    assert len(split["learnt_from"]) == sum(sum(n.values()) for n in split["slides"].values()) - 13


def test_evaluate_tells_of_grades_that_changed_and_refuses_other_features(study: Study) -> None:
    rows = list(study.cohort)
    rows[3] = replace(rows[3], grade="benign")
    Cohort(rows).write(study.path / "cohort.csv")
    report = evaluate(study, NAME, device="cpu")
    assert "The labels of 1 slides have changed since training." in report.context.label_statement
    for seed, row in enumerate(rows):
        write_features(study.store_path(row.slide_id), 0, seed=seed, weights_sha256="d" * 64)
    with pytest.raises(ModelError, match=r"another encoder.*dddddddddddd…; allowed.*aaaaaaaaaaaa…"):
        evaluate(study, NAME, device="cpu")


def test_mean_pooling_can_be_the_model(study: Study) -> None:
    settings = [*small_recipe(), "model.architecture=mean-pool", "model.arguments={hidden: 16}"]
    bundle = train(study, read_recipe(NAME, settings), name="mean", device="cpu")
    found = bundle.training["metrics"]
    assert found["minimum_cost"] == found["mean_pool"]["minimum_cost"]


def test_evaluate_reports_scores_with_their_companions(study: Study) -> None:
    assert main(["evaluate", str(study.path), "--model", NAME, "--device", "cpu"]) == 0
    folder = study.evaluation_path(NAME, "test")
    report = json.loads((folder / "report.json").read_text("utf8"))
    text = (folder / "report.html").read_text("utf8")
    found = json.dumps(report)
    for words in ("uadratic", "eferral", "onstant"):
        assert words in found
        assert words in text
    assert str(study.path) not in text + found
