"""A file of words that must not be somewhere: one a line."""

from __future__ import annotations

from pathlib import Path

from pathoai.errors import InvalidValueError, MissingFileError


def word_list(path: Path) -> list[str]:
    """The lines of a file, without those that are empty.

    Args:
        path: In UTF-8, else taken for Latin-1 as older exports of hospital systems are.

    Raises:
        MissingFileError: There is no such file.
        InvalidValueError: It holds no word.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError("no such list of words", where=path.name) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    words = [line.strip() for line in text.splitlines() if line.strip()]
    if not words:
        raise InvalidValueError(
            "the list holds no word", where=path.name, allowed="one word, name or number a line"
        )
    return words
