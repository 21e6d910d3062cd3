"""Programs beside ours: each in an environment of its own, called from a script in ``peers/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from measure import Cost, bytes_below

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_PEERS = Path(__file__).with_name("peers")


@dataclass
class Tool:
    """A tool, and what its runs cost.

    Args:
        name: As its package is called, or what it is.
        does: What its command reads or writes.
        command: Makes the command line from the slide and an empty folder to write into.
        packages: What pip installs into its own environment; none for what runs in this one.
        count: Tells, after a run of ours, how many tiles it took, from the folder; a peer's script
            says so itself, in JSON on its last line.
    """

    name: str
    does: str
    command: Callable[[Path, Path], list[str]]
    packages: Sequence[str] = ()
    count: Callable[[Path], int] | None = None
    costs: list[Cost] = field(default_factory=list)
    written: int = 0
    problem: str = ""

    @property
    def wall_s(self) -> float:
        """Median."""
        return median(cost.wall_s for cost in self.costs)

    @property
    def cpu_s(self) -> float:
        """Median."""
        return median(cost.cpu_s for cost in self.costs)

    @property
    def peak_mb(self) -> float:
        """Largest."""
        return max(cost.peak_mb for cost in self.costs)


def pathoai_command(*words: str) -> list[str]:
    """Our command line, of this environment."""
    return [str(Path(sys.executable).with_name("pathoai")), *words]


def peer_command(package: str, script: str, environments: Path, *words: str) -> list[str]:
    """A script in ``peers/``, run by the Python of a peer's environment."""
    python = str(environments / package / "bin" / "python")
    return [python, str(_PEERS / f"{script}.py"), *words]


def install(tool: Tool, environments: Path) -> None:
    """Make the environment of a peer where it is missing; note why it cannot be."""
    if not tool.packages:
        return
    own = environments / tool.name
    python = own / "bin" / "python"
    if not python.exists():
        venv.create(own, with_pip=True)
    known = "from importlib.metadata import version; version('{}')"
    check = "; ".join(known.format(package) for package in tool.packages)
    if subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
        return
    print(f"installing {tool.name}; this may take minutes")
    command = [str(python), "-m", "pip", "install", "--quiet", *tool.packages]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        tool.problem = "cannot be installed here"
        print(done.stderr)


def version(package: str, environments: Path) -> str:
    """A peer and its version."""
    code = f"from importlib.metadata import version; print(version('{package}'))"
    python = environments / package / "bin" / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return f"{package} {done.stdout.strip()}"


def environment(out: Path) -> dict[str, str]:
    """The vault away from the user's own, and no network."""
    return {**os.environ, "PATHOAI_VAULT": str(out / "vault"), "HF_HUB_OFFLINE": "1"}


def run(tool: Tool, slide: Path, out: Path, *, limit_s: float) -> None:
    """Run a tool once and note its cost, or why it does not run."""
    before = bytes_below(out)
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            tool.command(slide, out), stdout=said, stderr=complaints, env=environment(out)
        )
        clock = threading.Timer(limit_s, process.kill)
        clock.start()
        _, status, usage = os.wait4(process.pid, 0)
        clock.cancel()
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complaints.seek(0)
        if process.returncode:
            tool.problem = f"ended with status {process.returncode} after {wall_s:.0f} s"
            print(complaints.read()[-2000:])
            return
        answer = said.read().strip().splitlines()[-1:]
    found = tool.count(out) if tool.count else _tiles_said(answer)
    cpu_s = usage.ru_utime + usage.ru_stime
    tool.costs.append(Cost(wall_s, cpu_s, usage.ru_maxrss / 1024, found))
    tool.written = bytes_below(out) - before


def _tiles_said(answer: Sequence[str]) -> int:
    said: dict[str, Any] = json.loads(answer[0])
    return int(said["tiles"])
