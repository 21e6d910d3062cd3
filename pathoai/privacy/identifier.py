"""One spelling for an identifier, whoever typed it and on whatever machine.

``É`` is one character on most systems and two, a letter and its accent, in what macOS writes. Both
look the same, and a code that told them apart would give one person two codes: an opposition would
miss him. So identifiers of patients, specimens, blocks and centres are brought to Unicode's
composed form (NFC), outer blanks are taken away, and each run of blanks within becomes one blank.
Letters stay as they are: ``DUPONT`` is not ``Dupont``.
"""

from __future__ import annotations

import unicodedata

from pathoai.errors import InvalidValueError


def normalised(identifier: str, where: str = "identifier") -> str:
    """The one spelling that codes are made from; empty for blanks, which state nothing.

    Args:
        identifier: As a user wrote it.
        where: What an error calls its place.

    Raises:
        InvalidValueError: It holds a line break; the message does not repeat it.
    """
    text = identifier.strip()
    if len(text.splitlines()) > 1:
        raise InvalidValueError(
            "an identifier is one line of text",
            where=where,
            found=f"{len(text.splitlines())} lines",
            allowed="letters, digits, signs and blanks, without a line break",
            remedy="give one identifier; in a list or table, each has a line of its own",
        )
    return unicodedata.normalize("NFC", " ".join(text.split()))


def earlier_spellings(identifier: str) -> tuple[str, ...]:
    """Other spellings that codes were made from before there was one: as typed, composed, apart.

    Args:
        identifier: As a user wrote it.
    """
    one = normalised(identifier)
    bases = (identifier, identifier.strip(), one)
    spellings = [
        spelling
        for base in bases
        for spelling in (base, *(unicodedata.normalize(form, base) for form in ("NFC", "NFD")))
    ]
    return tuple(spelling for spelling in dict.fromkeys(spellings) if spelling != one)
