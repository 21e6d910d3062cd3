"""The conversation of a tool with registration_landmarks.py, and the clock that both sides trust.

A tool reads jobs from its standard input, one in JSON a line: paths of two images, the points of
the first in pixels, an empty folder. It answers with the points on the second, and what the
registration alone cost: reading the images counts, importing the tool does not.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

Points = np.ndarray


def serve(
    carry: Callable[[str, str, Points, str], Points],
    version: str,
    prepare: Callable[[str], object] | None = None,
) -> None:
    """Answer jobs until the other side hangs up.

    Args:
        carry: Registers two images and carries points (N, 2) of the first to the second; given
            the paths of both, the points, and a folder to work in.
        version: The tool and its version.
        prepare: What is done with the path of each image before the clock starts.
    """
    # A tool may print what it does; only answers may go to the other side.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"version": version}), file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        for path in (job["fixed"], job["moving"]) if prepare else ():
            prepare(path)
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            points = carry(job["fixed"], job["moving"], np.array(job["points"]), job["folder"])
            answer = {"points": np.asarray(points, dtype=float).tolist()}
        except Exception as error:  # noqa: BLE001 - whatever stops a peer is told, not fatal
            answer = {"problem": f"{type(error).__name__}: {error}"[:300]}
        answer["cpu_s"] = time.process_time() - cpu
        answer["wall_s"] = time.perf_counter() - wall
        print(json.dumps(answer), file=answers, flush=True)


def looked_up(field: np.ndarray, points: Points) -> Points:
    """Read a field (height, width, 2) at points (N, 2), linearly; pixel edges at integers."""
    height, width = field.shape[:2]
    place = np.clip(points - 0.5, 0, [width - 1.001, height - 1.001])
    left, top = np.floor(place).astype(int).T
    across, down = (place - np.floor(place)).T[:, :, None]
    upper = field[top, left] * (1 - across) + field[top, left + 1] * across
    lower = field[top + 1, left] * (1 - across) + field[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down
