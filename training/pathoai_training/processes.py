"""Processes that train together: one writes, and all start from the same files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathoai.errors import ClusterError

_WAIT_S = 600
_JOB = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")


def is_first_process() -> bool:
    """True in the one process, of those that train together, that writes."""
    from pytorch_lightning.utilities import rank_zero_only  # slow; processes that read need none

    return getattr(rank_zero_only, "rank", 0) == 0


def start_of_job() -> dict[str, str]:
    """What tells this start of a SLURM job from any other; empty elsewhere."""
    return {name: os.environ[name] for name in _JOB if name in os.environ}


def wait_for_note(path: Path, expected: Mapping[str, Any]) -> None:
    """Wait until the first process has said, in a file, that the folder is ready.

    Raises:
        ClusterError: It did not in ten minutes.
    """
    deadline = time.monotonic() + _WAIT_S
    while not (path.is_file() and json.loads(path.read_text("utf8")) == expected):
        if time.monotonic() > deadline:
            raise ClusterError(
                "the first process does not begin",
                where=f"runs/{path.parent.name}",
                remedy="see what it wrote; all nodes must see the study under the same path",
            )
        time.sleep(0.1)
