"""Leaving in good order when a scheduler, or a person, wants the machine back.

SLURM sends SIGUSR1 before the walltime ends, SIGTERM comes from ``kill`` and from clouds. Lightning
has a handler of its own, but it saves in the middle of a step and goes on training (2.6).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pathoai.errors import PreemptedError
from pathoai_training.processes import is_first_process

_SIGNALS = [getattr(signal, name) for name in ("SIGUSR1", "SIGTERM") if hasattr(signal, name)]
_CALL_S = 60
_AGAIN = "the same command goes on"


class Preemption:
    """Whether this process was asked to leave.

    While steps are made a signal only sets :attr:`asked`, and the training ends the step first; at
    other times it ends the program at once, since all else can be repeated from the checkpoint.
    """

    def __init__(self) -> None:
        """Nobody asked yet."""
        self.asked = False
        self._in_steps = False
        self._will: str | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Heed the signals until the block ends.

        Raises:
            PreemptedError: A signal came while no step was being made.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread hears signals
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.take_over()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def take_over(self) -> None:
        """Be the one who hears; Lightning puts a handler of its own before each fit."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._hear)

    @contextmanager
    def steps(self) -> Iterator[None]:
        """While the block lasts, a signal waits for the end of the step."""
        self._in_steps = True
        try:
            yield
        finally:
            self._in_steps = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        # Others are ended by the launcher: who leaves too early takes the first one with him.
        if not self._in_steps and is_first_process():
            self.requeue()
            self.leave("what the last checkpoint holds is kept")

    def requeue(self) -> None:
        """Ask SLURM, once, to run this job again; elsewhere there is nobody to ask."""
        if self._will is None:
            self._will = _requeue()

    def leave(self, kept: str) -> None:
        """End this process.

        Args:
            kept: What is kept, for the message.

        Raises:
            PreemptedError: Always.
        """
        raise PreemptedError(f"training was asked to stop; {kept}", remedy=self._will or _AGAIN)


def leave_signals_to_trainer(worker: int) -> None:
    """In a process that reads data: SLURM asks all processes of a job, but one answers."""
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _requeue() -> str:
    """Ask SLURM to run this job again, where this is one; returns what will happen."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return _AGAIN
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    words = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_CALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"submit the job again; SLURM could not be asked to: {type(error).__name__}"
    if done.returncode == 0:
        return "none needed, SLURM starts the job again"
    return f"submit the job again; SLURM would not: {done.stderr.strip()}"
