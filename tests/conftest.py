"""What many tests share: generated slides, a vault away from the user's, and real slides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Their assertions are ours to explain; must come before anything imports them.
pytest.register_assert_rewrite("pathoai.testing.slide_readers", "pathoai.testing.slide_stores")

from pathoai.study.study import Study  # noqa: E402 - after the line above
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, generate_slide  # noqa: E402 - likewise

# No deadline: the first example of a test may import torch. In CI, the same examples every time.
settings.register_profile("pathoai", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pathoai")

_REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: begun last, one of them would run alone while all other processes wait."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def vault(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault of the test's own: no test may reach the user's keys."""
    path = tmp_path_factory.mktemp("vault")
    monkeypatch.setenv("PATHOAI_VAULT", str(path))
    return path


@pytest.fixture(autouse=True)
def encoder_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A registry of encoders of the test's own: no test may reach the user's weights."""
    path = tmp_path_factory.mktemp("user") / "encoders"
    monkeypatch.setenv("PATHOAI_ENCODERS", str(path))
    return path


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SlideTruth]:
    """A breast slide of 1500 × 1200 px at 0.5 µm, one level, and its truth.

    Its file is named as clinics name theirs, so that tests can look for the name.
    """
    path = tmp_path_factory.mktemp("cabinet-du-docteur-martin") / "DUPONT_Jeanne_1947.svs"
    return path, generate_slide(path, SlideRecipe(width=1500, height=1200, mpp=0.5, seed=3))


@pytest.fixture(scope="session")
def two_level_slide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SlideTruth]:
    """A cervix slide of 2300 × 2100 px at 0.5 µm, two levels, so four shards of a store."""
    path = tmp_path_factory.mktemp("two-levels") / "slide.svs"
    recipe = SlideRecipe(width=2300, height=2100, mpp=0.5, seed=5, organ="cervix")
    return path, generate_slide(path, recipe)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A breast study without slides."""
    return Study.create(tmp_path / "study", ontology="breast")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slides; without it tests are skipped here and fail in CI."""
    default = _REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("PATHOAI_TEST_DATA") or default)
    if not folder.is_dir():
        reason = "no real slides: set PATHOAI_TEST_DATA to the folder that holds them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
