"""What signals do to a training, here and in a job of SLURM."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pathoai.errors import PreemptedError
from pathoai_training.preempt import Preemption


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_step_and_ends_all_else(number: int) -> None:
    before, preemption = signal.getsignal(number), Preemption()
    with preemption.listening(), preemption.steps():
        os.kill(os.getpid(), number)
        assert preemption.asked
    assert signal.getsignal(number) is before
    with pytest.raises(PreemptedError, match="the same command goes on"), preemption.listening():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("program", "array", "says"),
    [
        ("exit 0", False, "SLURM starts the job again"),
        ("exit 0", True, "SLURM starts the job again"),
        ("echo 'Requeue disabled' >&2; exit 1", False, "SLURM would not: Requeue disabled"),
        (None, False, "SLURM could not be asked to: FileNotFoundError"),
    ],
)
def test_slurm_is_asked_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str | None,
    array: bool,
    says: str,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    if array:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "16")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    told, scontrol = tmp_path / "told", tmp_path / "scontrol"
    if program is not None:
        scontrol.write_text(f'#!/bin/sh\necho "$@" >>"{told}"\n{program}\n')
        scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if program else str(tmp_path))
    preemption = Preemption()
    preemption.requeue()
    preemption.requeue()
    with pytest.raises(PreemptedError, match=says):
        preemption.leave("step 3 is kept")
    if program is not None:
        assert told.read_text() == f"requeue {'16_3' if array else '17'}\n"
