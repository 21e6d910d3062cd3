"""Registries: known names load, unknown ones are corrected, absent packages have a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from pathoai import entry_points
from pathoai.errors import InvalidValueError, MissingDependencyError


@pytest.fixture(autouse=True)
def _forget_what_was_installed() -> Iterator[None]:
    """Metadata are read once per process; these tests install packages."""
    entry_points._installed.cache_clear()
    yield
    entry_points._installed.cache_clear()


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, points: str) -> None:
    """A distribution as pip leaves it, found by importlib.metadata on the path."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize(
    "group",
    ["commands", "slide_readers", "tissue_methods", "architectures", "annotation_formats"],
)
def test_all_that_pathoai_registers_loads(group: str) -> None:
    names = entry_points.names_in(f"pathoai.{group}")
    assert names
    assert list(names) == sorted(names)
    for name in names:
        assert entry_points.load(f"pathoai.{group}", name) is not None


def test_unknown_names_are_corrected() -> None:
    with pytest.raises(InvalidValueError, match=r"unknown tissue method.*did you mean 'otsu'"):
        entry_points.load("pathoai.tissue_methods", "ostu")
    with pytest.raises(InvalidValueError, match="none is installed"):
        entry_points.load("pathoai.no_such_group", "x")


def test_a_name_registered_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(
        tmp_path, monkeypatch, name="other", points="[pathoai.tissue_methods]\notsu = os:path\n"
    )
    with pytest.raises(InvalidValueError, match=r"registered twice.*otsu"):
        entry_points.load("pathoai.tissue_methods", "otsu")


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = "[pathoai.tissue_methods]\nfancy = no_such_package.module:find\n"
    _install(tmp_path, monkeypatch, name="other", points=points)
    assert metadata.version("other") == "1"
    with pytest.raises(MissingDependencyError, match=r"fancy.*no_such_package.*pip install"):
        entry_points.load("pathoai.tissue_methods", "fancy")
