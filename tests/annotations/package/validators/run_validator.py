"""Run another's validator: ``python run_validator.py PROGRAM WORDS…``, as its own script would.

Run by the Python that has the validators. With ``--each`` one start of it judges many files.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any

_EACH = "--each"
"""What follows is asked about one by one, without starting Python for each."""


def main() -> None:
    name, *words = sys.argv[1:]
    first, each = words, [""]
    if _EACH in words:
        first, each = words[: words.index(_EACH)], words[words.index(_EACH) + 1 :]
    (program,) = entry_points(group="console_scripts", name=name)
    exit_codes: list[Any] = []
    for last in each:
        sys.argv[1:] = [word for word in (*first, last) if word]
        try:
            exit_codes.append(program.load()())
        except SystemExit as end:
            exit_codes.append(end.code)
    sys.exit(next(filter(None, exit_codes), 0))


if __name__ == "__main__":
    main()
