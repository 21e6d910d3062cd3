"""Exports lie under their name whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pathoai.errors import InvalidValueError
from pathoai.store.new_target import new_target


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def test_nothing_lies_there_before_the_end(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.tiff"
    with new_target(target, outside=store) as path:
        path.write_text("content")
        assert not target.exists()
        assert path.parent.parent == target.parent
    assert target.read_text() == "content"
    assert [f.name for f in target.parent.iterdir()] == ["a.tiff"]


def test_a_folder_may_be_a_target(store: Path, tmp_path: Path) -> None:
    with new_target(tmp_path / "a.zarr", outside=store) as path:
        (path / "0").mkdir(parents=True)
    assert (tmp_path / "a.zarr" / "0").is_dir()


def _write(target: Path, store: Path, *, meanwhile: Callable[[], object]) -> None:
    with new_target(target, outside=store) as path:
        path.write_text("ours")
        meanwhile()


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_failure_leaves_nothing(store: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _write(tmp_path / "a", store, meanwhile=_interrupt)
    assert [f.name for f in tmp_path.iterdir()] == ["store"]


def test_what_appears_meanwhile_is_kept(store: Path, tmp_path: Path) -> None:
    theirs = partial((tmp_path / "a").write_text, "theirs")
    with pytest.raises(InvalidValueError, match="something lies"):
        _write(tmp_path / "a", store, meanwhile=theirs)
    assert (tmp_path / "a").read_text() == "theirs"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a", "store"]


def test_even_a_link_to_nowhere_is_kept(store: Path, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(InvalidValueError, match="something lies"),
        new_target(tmp_path / "a", outside=store),
    ):
        pass
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("inside", ["a.tiff", "0/a.tiff", "../store/a.tiff", "."])
def test_a_target_in_what_is_exported_is_refused(inside: str, store: Path) -> None:
    with (
        pytest.raises(InvalidValueError, match="in what is exported"),
        new_target(store / inside, outside=store),
    ):
        pass
    assert not list(store.iterdir())
