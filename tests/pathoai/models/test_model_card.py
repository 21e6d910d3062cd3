from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, load_bundle, save_bundle
from pathoai.models.calibration import Calibration, Reliability
from pathoai.models.card_notes import NOTES, QUESTIONS, read_notes, write_template
from pathoai.models.model_card import PERSON, model_card
from pathoai.tiling.spec import TileSpec

SLIDES = [{"slide_id": f"S{i:015d}", "store": "0" * 64} for i in range(5)]
STATEMENT = "tested on patients that training did not see"
TRAINING = {
    "recipe": "breast-nuclei-segmentation",
    "settings": {"data": {"init_args": {"label": "annotation/R1"}}},
    "seed": 3,
    "steps": 60,
    "precision": "32-true",
    "device": "cpu",
    "commit": "abc123",
    "software": {"torch": "2.11.0"},
    "label_statement": "labels: annotation/R1, not validated by a pathologist",
    "slides": SLIDES,
    "split": {
        "kind": "patient",
        "sha256": "f" * 64,
        "statement": STATEMENT,
        "unused": [SLIDES[4]["slide_id"]],
        "tiles": {"train": 100, "validation": 20, "test": 30},
    },
    "cohort": {"train": {"slides": 2, "patients": 2, "centres": 1, "scanners": 0}},
    "metrics": {"dice": {"nucleus": 0.8125, "background": None}, "pixels": 12345},
}
BUNDLE = ModelBundle(
    name="nuclei",
    architecture="unet",
    arguments={"width": 4, "depth": 1},
    ontology="breast",
    ontology_version="0.1",
    classes=("background", "nucleus"),
    spec=TileSpec(64, 0.5, 16, 0.1),
    calibration=Calibration(1.5, Reliability((0.6, 0.9), (0.5, 0.95), (10, 90))),
    training=TRAINING,
    licence="Apache-2.0",
    intended_use="Research only.",
)


def save(folder: Path, bundle: ModelBundle = BUNDLE) -> ModelBundle:
    torch.manual_seed(0)
    return save_bundle(folder, bundle, build_network("unet", classes=2, arguments=bundle.arguments))


def card_in(folder: Path) -> str:
    return (folder / "README.md").read_text("utf8")


def test_each_bundle_has_the_card_that_its_description_gives(tmp_path: Path) -> None:
    save(tmp_path / "nuclei")
    card = card_in(tmp_path / "nuclei")
    bundle = load_bundle(tmp_path / "nuclei")
    assert model_card(bundle, {}) == card
    for stated in (
        bundle.identity,
        bundle.weights_sha256,
        "| train | 2 | 2 | 1 | 0 | 100 |",
        "| validation | not recorded | not recorded | not recorded | not recorded | 20 |",
        "Labelled slides: 5; in no subset: 1",
        f"What the split says: {STATEMENT}",
        "f" * 64,
        "| dice nucleus | 0.8125 |",
        "| dice background | not in what was measured |",
        "Logits are divided by 1.5",
        "Expected calibration error 0.0550",
        "- Seed: 3",
        "- Steps: 60",
        "- Precision: 32-true",
        "- Commit: abc123",
        "torch 2.11.0",
        "No pathologist validated the labels",
        "The most probable class.",
        "the weights began at random",
        "an unknown number of scanners",
    ):
        assert stated in card


def test_the_front_matter_is_what_hubs_read(tmp_path: Path) -> None:
    save(tmp_path / "nuclei")
    _, front, _ = card_in(tmp_path / "nuclei").split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["license"] == "apache-2.0"
    assert read["pipeline_tag"] == "image-segmentation"
    assert {"breast", "semantic-segmentation"} <= set(read["tags"])
    assert read["metrics"] == ["dice", "pixels"]
    (result,) = read["model-index"][0]["results"]
    assert {"type": "dice_nucleus", "name": "dice nucleus", "value": 0.8125} in result["metrics"]


def test_a_card_holds_numbers_and_neither_codes_nor_paths(tmp_path: Path) -> None:
    save(tmp_path / "nuclei")
    card = card_in(tmp_path / "nuclei")
    assert not re.search(r"\b[SPCB]\d{15}\b", card)
    for secret in (str(tmp_path), str(Path.cwd()), str(Path.home())):
        assert secret not in card


def test_a_bundle_without_provenance_says_what_is_missing() -> None:
    card = model_card(replace(BUNDLE, training={}, licence="", intended_use=""), {})
    assert f"none stated. {PERSON} the licence" in card
    assert f"{PERSON} what the model may be used for" in card
    assert "None were recorded." in card
    assert "- Seed: not recorded" in card


def test_a_decision_rule_and_an_unknown_calibration_are_told() -> None:
    bundle = replace(BUNDLE, decision={"rule": "minimum expected cost"}, calibration=Calibration())
    card = model_card(bundle, {})
    assert "- rule: minimum expected cost" in card
    assert "How well that holds was not measured." in card


def test_every_question_is_marked_until_a_person_answers(tmp_path: Path) -> None:
    folder = tmp_path / "nuclei"
    save(folder)
    assert card_in(folder).count(PERSON) == len(QUESTIONS)
    assert write_template(folder)
    assert read_notes(folder) == {}  # the hints of the template are no answers
    text = (folder / NOTES).read_text("utf8")
    (folder / NOTES).write_text(
        "Sent to K.\n" + text.replace("## Population\n", "## Population\n\nWomen, 2019–2023.\n")
        + "\n## Funding\n\nGrant 7.\n\n## Funding\n\nGrant 8.\n"
    )  # fmt: skip
    assert not write_template(folder)
    saved = save(folder, load_bundle(folder))
    card = card_in(folder)
    assert card.count(PERSON) == len(QUESTIONS) - 1
    assert "### Population\n\nWomen, 2019–2023.\n" in card
    assert "### Further notes\n\nSent to K.\n" in card
    assert "### Funding\n\nGrant 7.\n\nGrant 8.\n" in card
    assert saved.identity in card


def test_what_was_said_of_another_model_is_kept_but_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "nuclei"
    first = save(folder)
    (folder / NOTES).write_text("## Clinical evaluation\n\nTwo sites agreed.\n")
    save(folder, replace(BUNDLE, training={**TRAINING, "seed": 4}))
    assert "Two sites agreed" not in card_in(folder)
    kept = folder / f"card_notes-{first.identity[:12]}.md"
    assert "Two sites agreed" in kept.read_text("utf8")


def test_notes_in_any_encoding_never_stop_a_save(tmp_path: Path) -> None:
    folder = tmp_path / "nuclei"
    saved = save(folder)
    (folder / NOTES).write_bytes("## Population\n\nÀ Nîmes".encode("latin-1"))
    (folder / "bundle.json").write_text("no JSON")
    save(folder, saved)
    assert (folder / "bundle.json").read_text("utf8") != "no JSON"
    (kept,) = folder.glob("card_notes-*.md")
    assert "Nîmes".encode("latin-1") in kept.read_bytes()


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import pathoai.models.bundle as bundle_module
from pathoai.models.architecture import build_network

folder, at = Path(sys.argv[1]), int(sys.argv[2])
rename, done = os.replace, []

def power_cut(source, target):
    rename(source, target)
    done.append(target)
    if len(done) == at:
        os.kill(os.getpid(), signal.SIGKILL)

bundle = bundle_module.load_bundle(folder)
network = build_network("unet", classes=2, arguments=bundle.arguments)
os.replace = power_cut
bundle_module.save_bundle(folder, replace(bundle, licence="MIT"), network)
"""


@pytest.mark.parametrize(("at", "whole"), [(1, False), (2, False), (3, True)])
def test_a_killed_save_never_leaves_a_bundle_with_the_card_of_another(
    tmp_path: Path, at: int, whole: bool
) -> None:
    folder = tmp_path / "nuclei"
    save(folder)
    words = [sys.executable, "-c", KILLED, str(folder), str(at)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    if whole:
        assert load_bundle(folder).identity in card_in(folder)
        assert "license: mit" in card_in(folder)
    else:
        with pytest.raises(Exception, match="missing or were altered"):
            load_bundle(folder)
