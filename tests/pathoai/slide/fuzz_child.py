"""The process in which damaged slides are opened: one path a line in, one line of outcome out.

Its address space is bounded, so that a file which asks for absurd memory fails here as it would
on a small machine. What it writes is `ok`, `refused <error>` or `FAILED <traceback as JSON>`.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from pathlib import Path

from pathoai.errors import PathoaiError
from pathoai.geometry import Mpp, Size
from pathoai.slide.icc import to_srgb
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.slide.reader import SlideReader

_MORE_BYTES = 3 * 2**30
_BLOCK = Size(40, 30)


def main() -> None:
    """Answer each line until the input ends."""
    for path in sys.argv[1:]:
        # Everything that is loaded at first use, before memory is bounded.
        _outcome(Path(path))
    _bound_memory()
    for line in sys.stdin:
        sys.stdout.write(_outcome(Path(line.rstrip("\n"))) + "\n")
        sys.stdout.flush()


def _outcome(path: Path) -> str:
    try:
        _use(path)
    except PathoaiError as error:
        return f"refused {error}"
    except BaseException:  # noqa: BLE001 - whatever escapes is what the test looks for
        return f"FAILED {json.dumps(traceback.format_exc())}"
    return "ok"


def _use(path: Path) -> None:
    """All that the toolkit does with a slide that a user gives it."""
    try:
        describe_slide(path)
    except PathoaiError as error:
        _refuse_names(str(error), str(path.parent))
    try:
        reader = open_slide(path, mpp=Mpp.square(0.5), slide_id="CODE")
    except PathoaiError as error:
        _refuse_names(str(error), path.stem)
        raise
    with reader:
        if reader.info.icc_profile:
            to_srgb(reader.read_region(-50, -50, 0, Size(1, 1)), reader.info.icc_profile)
        _read_here_and_there(reader)


def _refuse_names(message: str, name: str) -> None:
    if name in message:
        raise AssertionError(f"names the file or its folder: {message}")


def _read_here_and_there(reader: SlideReader) -> None:
    size = reader.info.size
    for level in range(len(reader.info.levels)):
        for x, y in ((-3, -3), (0, 0), (size.width // 2, size.height // 2), (size.width - 9, 0)):
            assert reader.read_region(x, y, level, _BLOCK).shape == (_BLOCK.height, _BLOCK.width, 3)


def _bound_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + _MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
