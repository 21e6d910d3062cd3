"""Runs that are killed or asked to leave at a stated step, and start again, until they finish.

A program of its own, for orders as JSON, one a line: torch is imported once, and each part of a run
is a process forked from it, so that every step can be tried. Nothing is computed before a fork.
Processes that read tiles load this file too; therefore it imports torch where it is needed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pathoai.errors import PreemptedError
from pathoai.study.study import Study

LEFT = 75
BEFORE_A_FORK = (
    "pathoai_training.train",
    "pathoai_training.tasks.instance_segmentation",
    "cv2",
    "docstring_parser",
    "skimage.segmentation",
)
"""What each part would import again."""


def part(study: Path, name: str, overrides: Sequence[str], stop: Sequence[Any] | None) -> int:
    """Train in a process of its own, which sends itself a signal after a step.

    Args:
        study: Folder of the study.
        name: Of the model.
        overrides: Of the recipe, the recipe's name first.
        stop: Name of the signal and the step; None lets it finish.

    Writes the first step that was made, 0 where all were made before.

    Returns:
        The exit code; minus the number of the signal that killed it.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        code = _train(study, name, overrides, stop)
    except BaseException:  # noqa: BLE001 - the parent waits for a code, whatever happens
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _train(study: Path, name: str, overrides: Sequence[str], stop: Sequence[Any] | None) -> int:
    import torch

    from pathoai_training.recipes.recipe import read_recipe
    from pathoai_training.splits.split import SplitKind
    from pathoai_training.train import train

    begun = False

    def advance(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            _say(done)
            begun = True
        if stop is not None and done == stop[1]:
            os.kill(os.getpid(), getattr(signal, stop[0]))

    torch.set_num_threads(1)
    recipe, *others = overrides
    try:
        train(
            Study(study),
            read_recipe(recipe, others),
            name=name,
            split=SplitKind.AREA,
            device="cpu",
            advance=advance,
        )
    except PreemptedError:
        return LEFT
    if not begun:
        _say(0)
    return 0


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    """Take orders: folder of a study, and parts; after each part the exit code."""
    for module in BEFORE_A_FORK:
        import_module(module)
    for line in sys.stdin:
        study, parts = json.loads(line)
        for words in parts:
            _say(part(Path(study), *words))


if __name__ == "__main__":
    main()
