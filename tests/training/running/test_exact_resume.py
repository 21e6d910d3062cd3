"""A run that is killed or preempted anywhere ends with the weights of one that is not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pytest

from pathoai.study.study import Study

pytestmark = pytest.mark.long

RECIPE = "breast-nuclei-segmentation"
PATIENT = "P000000000000000"
STEPS = 5
LEFT = 75
"""Exit code of a run that was asked to leave."""
RUNS = Path(__file__).with_name("stopped_runs.py")
StudyMaker = Callable[..., Study]
Part = tuple[str, list[str], list[Any] | None]
Stopped = Callable[[Study, Sequence[Part]], list[tuple[int, int]]]


@pytest.fixture
def all_at_once(small: list[str]) -> list[str]:
    """All that keeps a state: averaged weights, early stopping, gathered gradients, clipping."""
    stop = "early_stopping: {metric: validation/dice/nucleus, patience: 9}"
    return [
        RECIPE,
        *small,
        f"trainer={{max_steps: {STEPS}, steps_per_epoch: 3, checkpoint_steps: 2, ema_decay: 0.9, "
        f"effective_batch_size: 4, gradient_clip: 0.5, {stop}}}",
        "data.batch_size=2",
    ]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """Trains parts of runs one after the other; first step and exit code of each."""
    said = tmp_path_factory.mktemp("runs") / "stderr"
    with (
        said.open("w") as errors,
        subprocess.Popen(
            [sys.executable, str(RUNS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        ) as runs,
    ):
        orders, answers = cast(IO[str], runs.stdin), cast(IO[str], runs.stdout)

        def train(study: Study, parts: Sequence[Part]) -> list[tuple[int, int]]:
            orders.write(json.dumps([str(study.path), parts]) + "\n")
            lines = [answers.readline() for _ in range(2 * len(parts))]
            assert all(lines), said.read_text("utf8")
            numbers = list(map(int, lines))
            return list(zip(numbers[::2], numbers[1::2], strict=True))

        yield train
    assert runs.returncode == 0, said.read_text("utf8")


def published(study: Study, name: str) -> tuple[bytes, str]:
    """Weights of a model, and the figures logged on the way."""
    log = study.path / "runs" / name / "metrics.csv"
    return (study.model_path(name) / "weights.safetensors").read_bytes(), log.read_text("utf8")


def test_stopped_after_each_step(
    stopped: Stopped, make_study: StudyMaker, all_at_once: list[str]
) -> None:
    study, steps = make_study(PATIENT), range(1, STEPS + 1)
    parts: list[Part] = [("straight", all_at_once, None)]
    for name in ("SIGKILL", "SIGUSR1"):
        parts += [*((name, all_at_once, [name, step]) for step in steps), (name, all_at_once, None)]
    straight, *others = stopped(study, parts)
    killed, left = others[: STEPS + 1], others[STEPS + 1 :]
    assert straight == (1, 0)
    # Every second step is kept, and the last of an epoch.
    assert [first for first, _ in killed] == [1, 1, 1, 3, 4, 5]
    assert [code for _, code in killed] == [-signal.SIGKILL] * STEPS + [0]
    # The step that was asked to leave is kept, unless a validation begins.
    assert [first for first, _ in left] == [1, 2, 3, 3, 5, 0]
    assert [code for _, code in left] == [LEFT] * STEPS + [0]
    for name in ("SIGKILL", "SIGUSR1"):
        assert published(study, name) == published(study, "straight")


def test_batches_decoded_ahead_of_the_step(
    stopped: Stopped, make_study: StudyMaker, all_at_once: list[str]
) -> None:
    """Killed or asked to leave, a run fed so ends with the weights of one fed by the loader."""
    study, fed = make_study(PATIENT, compression="jpeg"), [*all_at_once, "data.decode=device"]
    parts: list[Part] = [
        ("straight", [*all_at_once, "data.decode=cpu"], None),
        ("killed", fed, ["SIGKILL", 3]),
        ("killed", fed, ["SIGUSR1", 4]),
        ("killed", fed, None),
    ]
    assert [code for _, code in stopped(study, parts)] == [0, -signal.SIGKILL, LEFT, 0]
    assert published(study, "killed") == published(study, "straight")


VARIED = (
    "data.augmentation={affine: {rotation_deg: 20, scale: 0.1}, elastic: {shift_um: 1}, "
    "colour: {brightness: 0.1, hue_deg: 4}, blur: {sigma_um: 0.5}, noise: {levels: 5}, "
)


@pytest.mark.parametrize(("where", "workers"), [("batch", (2, 0)), ("loader", (0, 1))])
def test_the_number_of_workers_may_change(
    stopped: Stopped,
    make_study: StudyMaker,
    all_at_once: list[str],
    where: str,
    workers: tuple[int, int],
) -> None:
    study = make_study(PATIENT)

    def reading(workers: int) -> list[str]:
        return [*all_at_once, f"{VARIED}where: {where}}}", f"data.workers={workers}"]

    parts: list[Part] = [
        ("straight", reading(0), None),
        ("stopped", reading(workers[0]), ["SIGTERM", 2]),
        ("stopped", reading(workers[1]), None),
    ]
    assert stopped(study, parts) == [(1, 0), (1, LEFT), (3, 0)]
    assert published(study, "stopped") == published(study, "straight")
