"""A study of one section, in H&E and restained, registered and labelled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.study import Study
from tests.annotations.restained_discs import make_pair, register_pair_as_is


def recipe_without_vetoes(folder: Path) -> Path:
    """The shipped one, but for its vetoes: a section of two colours looks blurred everywhere."""
    shipped = resources.files("pathoai.ihc") / "recipes" / "AE1AE3.yaml"
    path = folder / "recipe.yaml"
    path.write_text(shipped.read_text("utf8") + "\nvetoes: []\n", "utf8")
    return path


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Such a study, made once."""
    folder = tmp_path_factory.mktemp("labelled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = Study.create(folder / "study", ontology="breast")
        make_pair(study, "AE1AE3")
        register_pair_as_is(study)
        words = ["--marker", "AE1AE3", "--device", "cpu"]
        recipe = str(recipe_without_vetoes(folder))
        assert main(["label", str(study.path), *words, "--recipe", recipe]) == 0
        yield study.path


@pytest.fixture
def study(labelled: Path, tmp_path: Path) -> Study:
    """A copy of it, for one test."""
    return Study(Path(shutil.copytree(labelled, tmp_path / "study")))
