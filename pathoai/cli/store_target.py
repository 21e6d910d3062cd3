"""Where a store that stands alone may go: nothing else is ever written over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.errors import InvalidValueError, PathoaiError

if TYPE_CHECKING:
    from pathoai.study.cohort import CohortRow

_OUT = "--out"
_SUFFIX = ".zarr"


def check_store_target(path: Path, slide: Path, row: CohortRow) -> None:
    """Refuse a place that holds something else than the slide's store, or is none for it.

    Args:
        path: Where the store shall go.
        slide: File or folder of the slide.
        row: Its code and hash.

    Raises:
        InvalidValueError: Another thing or another slide's store lies there; the name is none of a
            store; or the place is inside a study or the slide's own folder.
    """
    if path.suffix != _SUFFIX or path.stem.startswith("."):
        raise InvalidValueError(
            "the name of a store ends in .zarr", where=_OUT, found=path.name, allowed="NAME.zarr"
        )
    if any((folder / "study.toml").is_file() for folder in path.resolve().parents):
        raise InvalidValueError(
            "the place is inside a study, which would not know the store",
            where=_OUT,
            found=path.name,
            remedy="choose another place, or add the slide to the study and name the study",
        )
    if path.resolve().is_relative_to(slide.resolve()):
        raise InvalidValueError(
            "the place is inside the slide's own folder", where=_OUT, found=path.name
        )
    results = path.with_suffix(".results")
    if results.exists() and not results.is_dir():
        raise _occupied(results)
    if (path / "zarr.json").exists():
        _check_same_slide(path, row)
    elif path.is_symlink() or path.is_file() or (path.is_dir() and _holds_something(path)):
        raise _occupied(path)


@contextmanager
def leaving_no_empty_folder(path: Path) -> Iterator[None]:
    """Take folders away that were made for a store of which nothing came.

    What was begun stays, and the same command goes on with it.

    Args:
        path: Where the store was to go.
    """
    from pathoai.store.store_lock import lock_file

    made = [folder for folder in path.parents if not folder.exists()]
    try:
        yield
    finally:
        if made and made[0].is_dir():
            lock = lock_file(path)
            # Nobody else writes in a folder that was not there before us.
            if [*made[0].iterdir()] == [lock]:
                lock.unlink()
            for folder in made:
                if not any(folder.iterdir()):
                    folder.rmdir()


def _holds_something(folder: Path) -> bool:
    """False for what a run leaves that was killed when it began."""
    return any(not file.name.endswith(".partial") for file in folder.iterdir())


def _check_same_slide(path: Path, row: CohortRow) -> None:
    from pathoai.store.store_attributes import read_attributes

    try:
        header = read_attributes(path).header
    except PathoaiError as error:
        raise _occupied(path) from error
    if header.slide_id != row.slide_id or header.source_sha256 != row.source_sha256:
        raise InvalidValueError(
            "the store of another slide lies where this one should go",
            where=f"{_OUT} {path.name}",
            found=f"slide {header.slide_id}",
            allowed=f"slide {row.slide_id}",
            remedy="choose another place",
        )


def _occupied(path: Path) -> InvalidValueError:
    return InvalidValueError(
        "something else lies where the results should go",
        where=f"{_OUT} {path.name}",
        remedy="choose another name, or remove what is there",
    )
