"""A folder becomes a BagIt 1.0 bag (RFC 8493), the same bytes for the same payload.

The ``bagit`` library checks bags (see ``verify.py``) but does not make ours: it changes the working
directory of the whole process and dates the bag by the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import PackageError
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout


def payload_files(bag: Path) -> list[str]:
    """Names of the payload files, relative to the payload folder, sorted."""
    payload = bag / layout.PAYLOAD
    return sorted(p.relative_to(payload).as_posix() for p in payload.rglob("*") if not p.is_dir())


def close_bag(bag: Path, info: Mapping[str, str]) -> None:
    """Write the bag's own files; the payload must be complete.

    Args:
        bag: The folder, whose payload lies in ``data``.
        info: Fields of ``bag-info.txt``; the size of the payload is added.
    """
    payload = bag / layout.PAYLOAD
    names = payload_files(bag)
    size = sum((payload / name).stat().st_size for name in names)
    fields = dict(info) | {"Payload-Oxum": f"{size}.{len(names)}"}
    _write(bag / layout.BAG_DECLARATION, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    _write(bag / layout.BAG_INFO, "".join(f"{k}: {v}\n" for k, v in sorted(fields.items())))
    lines = (f"{sha256_of_file(payload / n)}  {layout.PAYLOAD}/{n}\n" for n in names)
    _write(bag / layout.MANIFEST, "".join(lines))
    tags = (layout.BAG_INFO, layout.BAG_DECLARATION, layout.MANIFEST)
    tag_lines = (f"{sha256_of_file(bag / name)}  {name}\n" for name in sorted(tags))
    _write(bag / layout.TAG_MANIFEST, "".join(tag_lines))


def read_manifest(path: Path) -> dict[str, str]:
    """Name, relative to the bag → SHA-256.

    Raises:
        PackageError: A line is malformed, or the file is absent.
    """
    try:
        lines = path.read_text("utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError("no readable manifest", where=path.name) from error
    manifest = {}
    for number, line in enumerate(lines, start=1):
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or not name.strip():
            raise PackageError("malformed line", where=f"{path.name} line {number}")
        manifest[name.strip()] = digest.lower()
    return manifest


def _write(path: Path, text: str) -> None:
    write_text_atomically(path, text)
