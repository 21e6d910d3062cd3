"""``pathoai doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from pathoai.cli.command import Command

_SMALLEST_FREE_GB = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Args:
        name: What was looked at.
        value: What was found.
        remedy: What to do; empty where all is well.
        needed: False where pathoai works without it.
    """

    name: str
    value: str
    remedy: str = ""
    needed: bool = True


_EXTRAS = {
    "torch": "torch",
    "timm": "models",
    "pytorch-lightning": "train",
    "napari": "napari",
    "psycopg": "postgresql",
}
"""A package of each extra that tells whether it is installed."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where studies will lie (default: here)"
    )


def run(options: Namespace) -> None:
    from pathoai.errors import MissingFileError, PathoaiError

    if not options.folder.is_dir():
        raise MissingFileError("no such folder", where="--folder", remedy="make it first")
    findings = list(examine(options.folder))
    for finding in findings:
        state = "OK  " if not finding.remedy else ("FAIL" if finding.needed else "note")
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        print(f"{state} {finding.name}: {finding.value}{remedy}")
    broken = [f.name for f in findings if f.needed and f.remedy]
    if broken:
        raise PathoaiError(
            "this machine is not ready", found=", ".join(broken), remedy="see the lines marked FAIL"
        )


def examine(folder: Path) -> Iterator[Finding]:
    """Look at everything pathoai needs or can use."""
    yield Finding("Python", f"{platform.python_version()} on {platform.system()}")
    yield _package("pathoai", "")
    yield _openslide()
    for name, extra in _EXTRAS.items():
        yield _package(name, extra)
    yield _gpu()
    yield _screen()
    yield _disk(folder)


def _package(name: str, extra: str) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "not installed", f"pip install 'pathoai[{extra}]'", needed=False)


def _openslide() -> Finding:
    try:
        import openslide
    except (ImportError, OSError) as error:
        return Finding("OpenSlide", str(error), "pip install openslide-python openslide-bin")
    return Finding("OpenSlide", openslide.__library_version__)


def _gpu() -> Finding:
    if util.find_spec("torch") is None:
        return Finding("GPU", "unknown without torch", "pip install 'pathoai[torch]'", needed=False)
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", torch.cuda.get_device_name(0))
    return Finding("GPU", "none", "work goes on, slower, on the CPU", needed=False)


def _screen() -> Finding:
    if util.find_spec("qtpy") is None:
        return Finding("Qt", "not installed", "pip install 'pathoai[napari]'", needed=False)
    binding = next((b for b in ("PySide6", "PyQt6") if util.find_spec(b)), None)
    if binding is None:
        return Finding("Qt", "no binding", "pip install 'pathoai[napari]'", needed=False)
    display = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not display:
        return Finding(
            "Qt",
            f"{binding}, but no screen",
            "run `pathoai review` where there is one",
            needed=False,
        )
    return Finding("Qt", f"{binding} {metadata.version(binding)}")


def _disk(folder: Path) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    remedy = (
        "" if free_gb >= _SMALLEST_FREE_GB else f"a cohort wants {_SMALLEST_FREE_GB} GB or more"
    )
    writable = os.access(folder, os.W_OK)
    if not writable:
        return Finding("disk", "this folder may not be written to", "choose another folder")
    return Finding("disk", f"{free_gb:.0f} GB free", remedy, needed=False)


COMMAND = Command(
    "doctor", "check this machine and name remedies", "pathoai doctor", configure, run
)
