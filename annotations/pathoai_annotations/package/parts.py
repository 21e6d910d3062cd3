"""The parts of a payload: plain files, and stores that are one part of many files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path, PurePosixPath

from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout

_STORE = ".zarr"
_STORE_TEXT = "zarr.json"


class Content(StrEnum):
    """What a file holds, and so how it can be looked through."""

    TEXT = "text"
    """UTF-8, which is scanned whole."""
    PIXELS = "pixels"
    """Compressed numbers of a store, or an image: no text to read."""
    DICOM = "DICOM"
    """Elements of text and of pixels."""


def content_of(name: str) -> Content:
    """What the payload file of a name must hold.

    Args:
        name: Relative to the payload.
    """
    if store_of(name):
        return Content.TEXT if PurePosixPath(name).name == _STORE_TEXT else Content.PIXELS
    if name.startswith((f"{layout.IMAGE_FOLDER}/", f"{layout.PICTURE_FOLDER}/")):
        return Content.PIXELS
    return Content.DICOM if name.startswith(f"{layout.DICOM_FOLDER}/") else Content.TEXT


def store_of(name: str) -> str:
    """The payload name of the store that a file lies in; empty where it lies in none.

    Args:
        name: Relative to the payload.
    """
    parts = PurePosixPath(name).parts
    inside = len(parts) > 2 and parts[0] == layout.MASK_FOLDER and parts[1].endswith(_STORE)
    return "/".join(parts[:2]) if inside else ""


@dataclass(frozen=True, slots=True)
class Part:
    """What a description names once.

    Args:
        name: Relative to the payload; of a store, its folder.
        size: In bytes.
        sha256: Of a file; of a store, of the lines of its files' hashes (:func:`tree_sha256`).
        is_store: Whether it is a store.
    """

    name: str
    size: int
    sha256: str
    is_store: bool


def parts_of(files: Mapping[str, Path], known: Mapping[str, str] | None = None) -> Iterator[Part]:
    """The parts that files make up, in the order of their names.

    Args:
        files: Name relative to the payload → file, sorted.
        known: SHA-256 of files that were just written, so that large ones are not read again.

    Raises:
        OSError: A file cannot be read.
    """
    for part, names in groupby(files, key=lambda name: store_of(name) or name):
        members = list(names)
        size = sum(files[name].stat().st_size for name in members)
        digests = {n: (known or {}).get(n) or sha256_of_file(files[n]) for n in members}
        if store_of(members[0]):
            yield Part(part, size, tree_sha256(part, digests), is_store=True)
        else:
            yield Part(part, size, digests[part], is_store=False)


def tree_sha256(store: str, digests: Mapping[str, str]) -> str:
    """One hash of all files of a store: of lines as ``sha256sum`` writes them, names sorted.

    Args:
        store: Payload name of the store.
        digests: Payload name of each file of it → its SHA-256.
    """
    lines = (f"{digests[name]}  {name.removeprefix(store + '/')}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
