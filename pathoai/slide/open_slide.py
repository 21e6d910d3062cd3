"""Opening a slide: the first backend that can read the file, through the mpp gate."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pathoai import entry_points
from pathoai.errors import (
    DamagedSlideError,
    MissingDependencyError,
    MissingFileError,
    NotASlideError,
    PathoaiError,
    SlideError,
    StorageError,
)
from pathoai.geometry import Mpp
from pathoai.slide.mpp_gate import check_extent, check_mpp
from pathoai.slide.reader import SlideBackend, SlideDescription, SlideReader

GROUP = "pathoai.slide_readers"

_UNNAMED = "the slide"


def describe_slide(path: Path) -> SlideDescription:
    """What the file says of itself, unchecked.

    Raises:
        MissingFileError: Nothing lies there.
        StorageError: It cannot be read.
        NotASlideError: No backend knows the file; each one's cause is named.
        DamagedSlideError: A backend knows it, but none can open it.
    """
    with _errors_name(_UNNAMED):
        return _recognise(path)[1]


def open_slide(path: Path, *, mpp: Mpp | None = None, slide_id: str = "") -> SlideReader:
    """The slide, opened.

    Args:
        path: Its file.
        mpp: The true scale, where the file's own is missing or wrong.
        slide_id: Its coded id, shown in errors; the file's name never is.

    Raises:
        MissingFileError: Nothing lies there.
        StorageError: It cannot be read.
        NotASlideError: No backend knows the file; each one's cause is named.
        DamagedSlideError: A backend knows it, but none can open it.
        MissingMppError: Neither file nor caller states the scale.
        ImplausibleMppError: The file's scale cannot be true, or the slide would be larger than
            any glass.
    """
    with _errors_name(slide_id or _UNNAMED):
        backend, description = _recognise(path)
        scale = check_mpp(description.stated_mpp, mpp, description.objective_power)
        check_extent(description.levels[0].size_px, scale)
        return backend.open(path, scale, slide_id)


@contextmanager
def _errors_name(name: str) -> Iterator[None]:
    """Errors say which slide by its code, if any: files are named after patients."""
    try:
        yield
    except PathoaiError as error:
        found = [str(part) for part in (error.where, error.found) if part is not None]
        raise type(error)(
            error.what,
            where=name,
            found=" ".join(found) or None,
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error


def _recognise(path: Path) -> tuple[SlideBackend, SlideDescription]:
    _check_readable(path)
    backends, causes = _backends()
    for backend in backends:
        try:
            return backend, backend.describe(path)
        except (SlideError, MissingDependencyError) as error:
            causes[backend.name] = error
    raise _refusal(causes)


def _check_readable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise MissingFileError("no such file") from None
    except OSError as error:
        raise StorageError(
            "the slide cannot be read",
            found=error.strerror,
            remedy="ask for the right to read it, or copy it where you have it",
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        # Reading a pipe would wait for ever.
        raise NotASlideError(
            "neither a file nor a folder", remedy="give the file, or the folder, of a slide"
        )


def _backends() -> tuple[list[SlideBackend], dict[str, PathoaiError]]:
    """The backends in the order of their rank, and why others cannot be loaded."""
    backends: list[SlideBackend] = []
    causes: dict[str, PathoaiError] = {}
    for name in entry_points.names_in(GROUP):
        try:
            backends.append(entry_points.load(GROUP, name)())
        except MissingDependencyError as error:
            causes[name] = error
    return sorted(backends, key=lambda backend: (backend.rank, backend.name)), causes


def _refusal(causes: Mapping[str, PathoaiError]) -> SlideError:
    """One error that names every backend with its cause."""
    texts = [
        f"{name}: {error.what}" + ("" if error.found is None else f" ({error.found})")
        for name, error in causes.items()
    ]
    damage = [error for error in causes.values() if isinstance(error, DamagedSlideError)]
    if damage:
        return DamagedSlideError(
            # Of the last that knows the kind of file: it reads more than those before it.
            "no reader can open this slide",
            found="; ".join(texts),
            remedy=damage[-1].remedy,
        )
    # Whoever knows the kind of file says what to do with this one.
    remedies = [error.remedy for error in causes.values() if isinstance(error, NotASlideError)]
    return NotASlideError(
        "no reader knows this file as a slide",
        found="; ".join(texts),
        remedy=next(filter(None, remedies), "check that it is a whole-slide image, copied whole"),
    )
