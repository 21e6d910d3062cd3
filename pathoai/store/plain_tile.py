"""A slide's compressed tile without what it says in words: comments, EXIF, text behind its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pathoai.deidentify import jpeg2000_markers, jpeg_markers
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DamagedSlideError, DeidentificationError

_WITHOUT_WORDS: Mapping[str, Callable[[bytes, LeftBehind], bytes]] = {
    "jpeg": jpeg_markers.without_words,
    "jpeg2k": jpeg2000_markers.without_words,
}


def plain_tile(data: bytes, codec: str) -> bytes:
    """The tile as a store may hold it; its pixels stay, and mostly all of its bytes.

    Args:
        data: A whole picture.
        codec: ``jpeg`` or ``jpeg2k``.

    Raises:
        DamagedSlideError: It is cut short, no such picture, or has parts of a kind nobody allowed.
    """
    try:
        plain = _WITHOUT_WORDS[codec](data, LeftBehind())
    except DeidentificationError as error:
        raise DamagedSlideError(error.what, found=error.found) from error
    # What is written anew beside the pixels is as long as it was.
    return data if len(plain) == len(data) else plain
