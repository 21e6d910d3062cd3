"""What every kind of slide is rewritten from and to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pathoai.deidentify.left_behind import LeftBehind

_UID_BITS_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """Who a slide is from now on.

    Args:
        code: Its coded id, which is also its name.
        uid_key: Secret that identifiers within the slide are re-keyed with.
    """

    code: str
    uid_key: bytes = field(repr=False)

    def uid(self, old: str) -> str:
        """A DICOM UID for another one: the same for the same key (PS3.5 B.2, `2.25.`)."""
        return f"2.25.{int.from_bytes(self._keyed('uid', old)[:_UID_BITS_BYTES], 'big')}"

    def hexadecimal(self, old: str, length: int) -> str:
        """Hexadecimal digits for another identifier."""
        return self._keyed("name", old).hex().upper().ljust(length, "0")[:length]

    def _keyed(self, kind: str, old: str) -> bytes:
        return hmac.digest(self.uid_key, f"{kind}\0{old}".encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A slide that was written anew and not yet been looked at again.

    Args:
        opens: What a reader is given: a file, or the folder of a DICOM series.
        vendor: What kind of slide it is.
        level_sha256: Of the decoded tiles of every level of the source, finest first.
        texts: What was written into it in words, all of it composed by us.
    """

    opens: Path
    vendor: str
    level_sha256: tuple[str, ...]
    texts: tuple[str, ...]


class TileHash:
    """SHA-256 of decoded tiles, one after the other."""

    def __init__(self) -> None:
        """Of none yet."""
        self._digest = hashlib.sha256()

    def add(self, pixels: bytes | None) -> None:
        """The next tile; None where the slide has none."""
        self._digest.update(b"none" if pixels is None else len(pixels).to_bytes(8, "big") + pixels)

    @property
    def hexadecimal(self) -> str:
        """The hash so far."""
        return self._digest.hexdigest()


def drop_names(source: Path, left: LeftBehind, others: Iterable[Path] = ()) -> None:
    """Names of files and of the folder they lie in, which clinics give after patients."""
    left.drop("file name", source.stem)
    left.drop("folder name", source.resolve().parent.name)
    for path in others:
        left.drop("file name", path.stem)


def uid_key(study_key: bytes) -> bytes:
    """The secret that identifiers inside a study's slides are re-keyed with.

    Of its own, so that what it makes can never be a code of the study.
    """
    return hmac.digest(study_key, b"identifiers inside slides", hashlib.sha256)
