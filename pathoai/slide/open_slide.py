"""Opening a slide: the first backend that knows the file, through the mpp gate."""

from __future__ import annotations

from pathlib import Path

from pathoai import entry_points
from pathoai.errors import MissingFileError, NotASlideError, PathoaiError
from pathoai.geometry import Mpp
from pathoai.slide.mpp_gate import check_mpp
from pathoai.slide.reader import SlideBackend, SlideDescription, SlideReader

GROUP = "pathoai.slide_readers"


def describe_slide(path: Path) -> SlideDescription:
    """What the file says of itself, unchecked.

    Raises:
        MissingFileError: Nothing lies there.
        NotASlideError: No backend knows the file.
        DamagedSlideError: A backend knows it, but cannot open it.
    """
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
        ImplausibleMppError: The file's scale cannot be true.
    """
    try:
        backend, description = _recognise(path)
        return backend.open(path, check_mpp(description.stated_mpp, mpp), slide_id)
    except PathoaiError as error:
        if error.where is None or not slide_id:
            raise type(error)(
                error.what,
                where=slide_id or path.name,
                found=error.found if error.where is None else f"{error.where} {error.found}",
                allowed=error.allowed,
                remedy=error.remedy,
            ) from error
        raise


def _recognise(path: Path) -> tuple[SlideBackend, SlideDescription]:
    if not path.exists():
        raise MissingFileError("no such file", where=path.name)
    if path.is_file():
        for name in entry_points.names_in(GROUP):
            backend: SlideBackend = entry_points.load(GROUP, name)()
            description = backend.describe(path)
            if description is not None:
                return backend, description
    raise NotASlideError(
        "no reader knows this file as a slide",
        where=path.name,
        allowed="what OpenSlide reads: SVS, NDPI, MRXS, SCN, BIF, tiled TIFF, …",
        remedy="check that the file is a whole-slide image and was copied whole",
    )
