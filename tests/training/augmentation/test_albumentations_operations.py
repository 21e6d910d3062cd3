"""The adapter: no network, and no other package than the one that is pinned."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.errors import MissingDependencyError
from pathoai_training.augmentation.albumentations_operations import (
    VERSION,
    check_albumentations,
)

PROGRAM = """
import os, sys

def refuse(event, arguments):
    if event.startswith("socket."):
        print(event, flush=True)
        os._exit(9)

sys.addaudithook(refuse)
import torch
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.amounts import Colour
from pathoai_training.augmentation.variation import Views
from pathoai_training.augmentation.vary import vary
assert "albumentations" not in sys.modules
from pathoai_training.augmentation.albumentations_operations import AlbumentationsOperations

views = Views(16, (0.5,))
drawn = Augmentation(colour=Colour(brightness=0.5)).draw(2, torch.Generator().manual_seed(0), views)
images = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
(out,) = vary((images,), drawn, views, AlbumentationsOperations())
assert "albumentations" in sys.modules and not torch.equal(out, images)
"""


def test_nothing_asks_the_network() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def installed(folder: Path, name: str, version: str) -> None:
    """Metadata of a package, as an installer writes it."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_albumentationsx_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "albumentationsx", "2.5.1")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"X.*2\.5\.1.*AGPL.*MIT.*pip uninstall"):
        check_albumentations()


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "albumentations", "1.4.24")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match=re.escape("1.4.24; allowed: " + VERSION)):
        check_albumentations()


def test_its_absence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingDependencyError, match=r"not installed.*pathoai\[train\]"):
        check_albumentations()


def test_the_extra_pins_that_version() -> None:
    project = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text("utf8")
    assert f'"albumentations=={VERSION}"' in project
