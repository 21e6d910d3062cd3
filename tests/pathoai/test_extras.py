from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import MissingDependencyError
from pathoai.extras import missing_dependency, require

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from pathoai.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        ("torch.nn", "pathoai[torch]"),
        ("pytorch_lightning", "pathoai[train]"),
        ("cv2", "pathoai[train]"),
        ("timm", "pathoai[models]"),
        ("PySide6.QtWidgets", "pathoai[napari]"),
        ("distributed", "pathoai[cluster]"),
        ("pydicom", "pathoai[dicom]"),
        ("zarr", "pathoai"),
    ],
)
def test_the_least_extra_that_brings_a_module_is_named(module: str, wanted: str) -> None:
    found = missing_dependency(ModuleNotFoundError("No module", name=module))
    assert f"pip install '{wanted}'" in str(found)


@pytest.mark.parametrize("name", ["pathoai.nowhere", "no_such_module", None])
def test_what_no_extra_brings_is_our_mistake(name: str | None) -> None:
    assert missing_dependency(ModuleNotFoundError("No module", name=name)) is None


def test_a_command_without_its_package_names_the_extra_and_no_bug(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert main(["init", str(study), "--ontology", "breast"]) == 0
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "register", str(study)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "pathoai: error: a package is not installed; found torch. "
        "Remedy: pip install 'pathoai[torch]'\n"
    )


def test_an_extra_is_asked_for_before_work_begins() -> None:
    require("train")
    # Others' validators live in an environment of their own: see the Makefile.
    with pytest.raises(MissingDependencyError, match=r"pip install 'pathoai\[fair-check\]'"):
        require("fair-check")
