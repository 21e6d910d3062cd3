"""Training in a network namespace of its own, where there is no interface at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from pathoai.models.bundle import load_bundle
from pathoai.study.study import Study

StudyMaker = Callable[..., Study]


def test_training_needs_no_network(make_study: StudyMaker, small: list[str]) -> None:
    apart = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.call([*apart, "true"]) != 0:
        pytest.skip("this machine makes no network namespaces")
    study, name = make_study("P000000000000000"), "breast-nuclei-segmentation"
    sets = [w for s in [*small, "trainer.logs=[tensorboard]"] for w in ("--set", s)]
    words = [
        "train",
        str(study.path),
        "--recipe",
        name,
        "--split",
        "area",
        "--device",
        "cpu",
        *sets,
    ]
    program = [*apart, sys.executable, "-m", "pathoai", *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load_bundle(study.model_path(name)).name == name
