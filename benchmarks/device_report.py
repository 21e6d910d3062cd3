"""Results of a run on a lent device: printed and written as they come, whatever fails later."""

from __future__ import annotations

import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


class Report:
    """A Markdown file that is whole after every line.

    Args:
        path: The file.
        title: Its heading.
        about: The machine, in words.
    """

    def __init__(self, path: Path, title: str, about: str) -> None:
        """Begin the file."""
        self._path = path
        self._failed: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {title}\n\n{about}\n\n", "utf8")
        print(title, "|", about, flush=True)

    def line(self, text: str) -> None:
        """A sentence."""
        print(text, flush=True)
        with self._path.open("a", encoding="utf8") as file:
            file.write(f"{text}\n\n")

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, with a heading."""
        lines = [f"## {title}", "", *(f"| {' | '.join(row)} |" for row in [head, *rows])]
        lines.insert(3, "|" + "---|" * len(head))
        self.line("\n".join(lines))

    def check(self, what: str, holds: bool) -> None:
        """Something that must hold."""
        self.line(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")
        if not holds:
            self._failed.append(what)

    def run(self, name: str, part: Callable[[], None]) -> None:
        """Run a part; its failure is reported."""
        start = time.perf_counter()
        try:
            part()
        except Exception:  # noqa: BLE001 - the other parts' results must not be lost
            self._failed.append(name)
            self.line(f"FAILED: {name}\n\n```\n{traceback.format_exc()}```")
        self.line(f"({name}: {time.perf_counter() - start:.1f} s)")

    def finish(self) -> None:
        """End the process, with 1 where anything failed."""
        self.line("failed: " + ("; ".join(self._failed) or "nothing"))
        sys.exit(bool(self._failed))


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int = 3) -> float:
    """The median time of some work, the device's queue included, after a first run."""
    found = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])
