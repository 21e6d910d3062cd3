"""Measuring one piece of work: in a fresh process, so that memory and caches are its own."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What some work cost.

    Args:
        wall_s: Seconds that passed.
        cpu_s: Seconds of processor time, of all threads.
        peak_mb: Largest resident memory of the process, imports included.
        result: What the work returned, e.g. a count of tiles.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    result: float

    @property
    def busy(self) -> float:
        """Share of the machine's cores that worked, 0 to 1."""
        return self.cpu_s / self.wall_s / (os.cpu_count() or 1)


def cost_of(work: Callable[..., float], *arguments: object) -> Cost:
    """Run a function of a module once, in a process of its own; its imports are not counted."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        cost = pool.apply(_measured, (work, arguments))
        # Left alone, the pool kills its process, whose locks then count as leaked.
        pool.close()
        pool.join()
    return cost


def _measured(work: Callable[..., float], arguments: Sequence[object]) -> Cost:
    before, start = os.times(), time.perf_counter()
    result = work(*arguments)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.user + after.system - before.user - before.system
    return Cost(wall, cpu, _peak_mb(), result)


def _peak_mb() -> float:
    """Largest resident memory of this process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # Linux has ru_maxrss begin at the memory of the process that started this one.
    lines = status.read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def medians(
    works: dict[str, tuple[Callable[..., float], Sequence[object]]], repeats: int
) -> dict[str, Cost]:
    """The median cost of each work; their repeats interleave, so that all meet the same weather."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for turn in range(repeats):
        for name, (work, arguments) in works.items():
            cost = cost_of(work, *arguments)
            costs[name].append(cost)
            print(f"{turn + 1}/{repeats} {name}: {cost.wall_s:.2f} s, busy {cost.busy:.0%}")
    return {name: _median(found) for name, found in costs.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(c.wall_s for c in costs),
        statistics.median(c.cpu_s for c in costs),
        max(c.peak_mb for c in costs),
        costs[-1].result,
    )


def bytes_below(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def machine(packages: Sequence[str]) -> str:
    """The machine and versions in words, without any name of the machine."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return f"{os.cpu_count()} shared cores, no GPU, Python {platform.python_version()}, {versions}"
