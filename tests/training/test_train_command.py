"""The command as a user runs it."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, PathoaiError, RecipeError, StudyError
from pathoai.models.bundle import load_bundle
from pathoai.study.study import Study
from pathoai_training.commands.train import COMMAND

NAME = "breast-tissue-segmentation"
PATIENT = "P000000000000000"
StudyMaker = Callable[..., Study]


def pathoai_train(*words: object) -> None:
    parser = ArgumentParser()
    COMMAND.configure(parser)
    COMMAND.run(parser.parse_args([str(word) for word in words]))


def test_from_study_to_bundle(
    make_study: StudyMaker, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(PATIENT)
    settings = [word for override in small for word in ("--set", override)]
    pathoai_train(
        *(study.path, "--recipe", NAME, "--split", "area", "--device", "cpu"),
        *("--name", "mine", "--max-steps", 6, *settings[2:]),
        *("--label", "annotation/generator"),
    )
    bundle = load_bundle(study.model_path("mine"))
    assert bundle.training["steps"] == 6
    out, err = capsys.readouterr()
    assert f"Dice nucleus {' ' * 20}" in out
    assert re.search(r"Calibration error +0\.", out)
    assert "not validated by a pathologist" in out
    assert "Bundle: models/mine in the study" in out
    assert str(study.path) not in out
    assert "6/6" in err
    # Nothing of Lightning's own talk.
    assert "GPU" not in out + err
    assert "Lightning" not in out + err


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (["--recipe", "breast-nuclei"], RecipeError, "did you mean"),
        (["--recipe", NAME, "--max-steps", "0"], InvalidValueError, "--max-steps"),
        (["--recipe", NAME, "--set", "model.widht=3"], RecipeError, "model: unknown key"),
        (["--recipe", NAME, "--label", "annotation/none"], StudyError, "pathoai label"),
        (
            ["--recipe", "breast-nuclei-segmentation", "--label", "annotation/generator"],
            PathoaiError,
            "--split area",
        ),
    ],
)
def test_mistakes_end_in_one_line(
    make_study: StudyMaker, words: list[str], kind: type[PathoaiError], says: str
) -> None:
    study = make_study(PATIENT)
    with pytest.raises(kind, match=says) as caught:
        pathoai_train(study.path, *words)
    assert "\n" not in str(caught.value)


def test_study_without_stores(study: Study) -> None:
    with pytest.raises(StudyError, match="pathoai tile STUDY"):
        pathoai_train(study.path, "--recipe", NAME)


LEAVER = """
import os, signal
from pathoai_training.tasks.semantic_segmentation import SemanticSegmentation

class Leaver(SemanticSegmentation):
    def training_step(self, batch, batch_idx):
        if self.trainer.global_step == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        return super().training_step(batch, batch_idx)
"""


def test_who_is_asked_to_leave_says_so_by_the_exit_code(
    make_study: StudyMaker,
    small: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "leaver.py").write_text(LEAVER)
    monkeypatch.syspath_prepend(tmp_path)
    study = make_study(PATIENT)
    settings = [w for s in [*small, "model.class_path=leaver.Leaver"] for w in ("--set", s)]
    words = ["train", str(study.path), "--recipe", NAME, "--split", "area", "--device", "cpu"]
    assert main([*words, *settings]) == 75
    assert "stop; step 3 is kept. Remedy: the same command goes on" in capsys.readouterr().err
    assert main([*words, *settings]) == 0
