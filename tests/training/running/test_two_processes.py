"""Two processes train together (DDP, gloo): started here, and as a SLURM job that must leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.study import Study

pytestmark = pytest.mark.long

RECIPE = "breast-nuclei-segmentation"
STAND_IN = Path(__file__).with_name("stand_in_slurm.py")
StudyMaker = Callable[..., Study]

STEPS, ASKED = 8, 5
WITNESS = f"""
import hashlib, os, time
from pathlib import Path

from pathoai_training.tasks.instance_segmentation import InstanceSegmentation

class Witness(InstanceSegmentation):
    '''Notes which tiles each process sees, and at a step waits to be asked to leave.'''

    def training_step(self, batch, batch_idx):
        job, start = (os.environ.get(f"SLURM_{{name}}") for name in ("JOB_ID", "RESTART_COUNT"))
        if job and start == "0" and self.global_step == {ASKED - 1}:
            end = time.monotonic() + 300
            while not Path(os.environ["STAND_IN"], "asked").exists() and time.monotonic() < end:
                time.sleep(0.01)
        with open(os.environ["WITNESS"] + f"-{{self.trainer.global_rank}}", "a") as file:
            for image in batch[0]:
                print(hashlib.sha256(image.numpy().tobytes()).hexdigest(), file=file)
        return super().training_step(batch, batch_idx)
"""


@pytest.fixture
def words(make_study: StudyMaker, small: list[str], tmp_path: Path) -> list[str]:
    """A short training."""
    (tmp_path / "witness.py").write_text(WITNESS)
    study = make_study("P000000000000000")
    overrides = [
        *small,
        "model.class_path=witness.Witness",
        "data.augmentation={dihedral: false, stain_scale: 0, stain_shift: 0}",
        "data.batch_size=2",
        f"trainer={{max_steps: {STEPS}, steps_per_epoch: 4, checkpoint_steps: 3, ema_decay: 0.9}}",
    ]
    sets = [word for override in overrides for word in ("--set", override)]
    return [
        "train",
        str(study.path),
        "--recipe",
        RECIPE,
        "--split",
        "area",
        "--device",
        "cpu",
        *sets,
    ]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in place of SLURM's; the folder where they keep what they were told."""
    programs, folder = tmp_path / "programs", tmp_path / "slurm"
    programs.mkdir()
    folder.mkdir()
    for name in ("sbatch", "srun", "scontrol"):
        (programs / name).write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" {name} "$@"\n'
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return folder


def test_a_job_that_must_leave_ends_like_one_that_need_not(
    words: list[str], slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(Path(words[1]))
    monkeypatch.setenv("WITNESS", str(tmp_path / "straight"))
    both = ["--set", "trainer.devices=2", "--set", "trainer.strategy=ddp", "--name", "straight"]
    here = [sys.executable, "-m", "pathoai", *words, *both]
    done = subprocess.run(here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Bundle: models/straight") == 1
    seen = [(tmp_path / f"straight-{rank}").read_text().split() for rank in (0, 1)]
    assert [len(tiles) for tiles in seen] == [2 * STEPS, 2 * STEPS]
    assert len(set(seen[0] + seen[1])) == 4 * STEPS

    monkeypatch.setenv("WITNESS", str(tmp_path / "job"))
    (slurm / "wait-for").write_text(str(study.path / "runs" / "job" / "last.ckpt"))
    job = ["--cluster", "slurm", "--nodes", "2", "--gpus-per-node", "0", "--name", "job"]
    assert main([*words, *job]) == 0
    log = study.path / "runs" / "job" / "slurm-4321.log"
    deadline = time.monotonic() + 600
    while not (slurm / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (slurm / "ended").read_text() == "0", log.read_text()
    assert (slurm / "starts").read_text() == "2"
    assert (slurm / "requeued-0").read_text() == "requeue 4321"
    assert "none needed, SLURM starts the job again" in log.read_text()
    for name in ("weights.safetensors",):
        straight, left = (study.model_path(m) / name for m in ("straight", "job"))
        assert straight.read_bytes() == left.read_bytes()
    # The step during which it was asked was made, and kept: none was made twice.
    assert [(tmp_path / f"job-{rank}").read_text().split() for rank in (0, 1)] == seen
