"""Opening a slide: the first backend that knows the file, through the mpp gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathoai import entry_points
from pathoai.errors import MissingFileError, NotASlideError, PathoaiError
from pathoai.geometry import Mpp
from pathoai.slide.mpp_gate import check_extent, check_mpp
from pathoai.slide.reader import SlideBackend, SlideDescription, SlideReader

GROUP = "pathoai.slide_readers"


def describe_slide(path: Path) -> SlideDescription:
    """What the file says of itself, unchecked.

    Raises:
        MissingFileError: Nothing lies there.
        NotASlideError: No backend knows the file.
        DamagedSlideError: A backend knows it, but cannot open it.
    """
    with _errors_name(path.name):
        return _recognise(path)[1]


def open_slide(path: Path, *, mpp: Mpp | None = None, slide_id: str = "") -> SlideReader:
    """The slide, opened.

    Args:
        path: Its file.
        mpp: The true scale, where the file's own is missing or wrong.
        slide_id: Its coded id, shown in errors instead of the file's name.

    Raises:
        MissingFileError: Nothing lies there.
        NotASlideError: No backend knows the file.
        DamagedSlideError: A backend knows it, but cannot open it.
        MissingMppError: Neither file nor caller states the scale.
        ImplausibleMppError: The file's scale cannot be true, or the slide would be larger than
            any glass.
    """
    with _errors_name(slide_id or path.name):
        backend, description = _recognise(path)
        scale = check_mpp(description.stated_mpp, mpp)
        check_extent(description.levels[0].size_px, scale)
        return backend.open(path, scale, slide_id)


@contextmanager
def _errors_name(name: str) -> Iterator[None]:
    """Errors say which slide: in a study by its code, since files are named after patients."""
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
    if not path.exists():
        raise MissingFileError("no such file")
    if path.is_file():
        for name in entry_points.names_in(GROUP):
            backend: SlideBackend = entry_points.load(GROUP, name)()
            description = backend.describe(path)
            if description is not None:
                return backend, description
    raise NotASlideError(
        "no reader knows this file as a slide",
        allowed="what OpenSlide reads: SVS, NDPI, MRXS, SCN, BIF, tiled TIFF, …",
        remedy="check that the file is a whole-slide image and was copied whole",
    )
