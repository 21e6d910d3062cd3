"""What the tests of DICOM formats share: the standard's own tables, and what may not leave."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pydicom

CLOCK = ("ContentDate", "ContentTime", "SOPInstanceUID")
"""What differs between two exports of the same: when, and what follows from when."""
_OF_MANY_KINDS = (
    # Lists what items of all kinds have, numbers and coordinates and texts; each item is of one.
    "sr-document-content",
)
_ALLOWLIST = Path(__file__).with_name("dciodvfy-allowlist.txt")


@cache
def _table(name: str) -> dict[str, Any]:
    folder = resources.files("highdicom") / "_standard"
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def missing_attributes(file: pydicom.Dataset) -> list[str]:
    """Attributes that the standard's tables ask for at the root, of mandatory modules."""
    kind = _table("sop_class_iod_map")[file.SOPClassUID]
    modules = [m["key"] for m in _table("iod_module_map")[kind] if m["usage"] == "M"]
    modules = [module for module in modules if module not in _OF_MANY_KINDS]
    missing = []
    for module in modules:
        for attribute in _table("module_attribute_map").get(module, ()):
            if attribute["path"] or attribute["type"] not in ("1", "2"):
                continue
            keyword = attribute["keyword"]
            if keyword not in file:
                missing.append(f"{module}: {keyword}")
            elif attribute["type"] == "1" and file[keyword].is_empty:
                missing.append(f"{module}: {keyword} is empty")
    return missing


def complaints(path: Path) -> list[str]:
    """What dciodvfy finds wrong, where it is installed, but for what is known to be untrue."""
    program = shutil.which("dciodvfy")
    if program is None:
        return []
    ran = subprocess.run([program, "-new", path], capture_output=True, check=False)
    lines = (ran.stdout + ran.stderr).decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("Error")]
    return [line for line in errors if not any(untrue in line for untrue in _untrue())]


@cache
def _untrue() -> list[str]:
    """What is known to be untrue: the committed list, in which each entry has its reason."""
    lines = _ALLOWLIST.read_text("utf8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def without_clock(path: Path) -> bytes:
    """All that a file says, but for when it was made."""
    file = pydicom.dcmread(path)
    del file.file_meta
    for keyword in CLOCK:
        del file[keyword]
    return file.to_json().encode()
