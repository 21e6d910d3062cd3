"""The bag around the payload: BagIt 1.0 (RFC 8493) with SHA-256.

The four tag files are written here and checked with the ``bagit`` library: its own ``make_bag``
writes version 0.97, changes the working directory of the whole process and follows the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathoai import __version__
from pathoai.errors import PackageError
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.summary import PackageSummary

_IDENTIFIER = "External-Identifier"


def payload_files(root: Path) -> dict[str, Path]:
    """Every file of the payload: name relative to the payload folder → file, sorted."""
    payload = root / layout.PAYLOAD
    files = (p for p in payload.rglob("*") if p.is_symlink() or not p.is_dir())
    return dict(sorted((p.relative_to(payload).as_posix(), p) for p in files))


def write_bag(root: Path, summary: PackageSummary) -> dict[str, str]:
    """Make a folder with a finished payload into a bag.

    Returns:
        The payload manifest: name relative to the bag → SHA-256.
    """
    files = payload_files(root)
    known = summary.image_hashes
    manifest = {
        f"{layout.PAYLOAD}/{name}": known.get(name) or sha256_of_file(p)
        for name, p in files.items()
    }
    size = sum(path.stat().st_size for path in files.values())
    info = {
        "Bag-Software-Agent": f"pathoai {__version__}",
        "Bagging-Date": summary.day.isoformat(),
        "External-Description": summary.title,
        _IDENTIFIER: summary.package_id.urn,
        "Payload-Oxum": f"{size}.{len(files)}",
    }
    _write(root, layout.BAG_DECLARATION, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    _write(root, layout.BAG_INFO, "".join(f"{k}: {v}\n" for k, v in info.items()))
    _write(root, layout.MANIFEST, _manifest_text(manifest))
    write_tag_manifest(root)
    return manifest


def write_tag_manifest(root: Path) -> None:
    """Write what the bag's own files hash to, the approval among them where there is one."""
    _write(root, layout.TAG_MANIFEST, _manifest_text(tag_hashes(root)))


def tag_hashes(root: Path) -> dict[str, str]:
    """What the tag manifest must hold.

    Raises:
        OSError: One of the bag's files cannot be read.
    """
    tags = [layout.BAG_INFO, layout.BAG_DECLARATION, layout.MANIFEST]
    if (root / layout.APPROVAL).exists():
        tags.append(layout.APPROVAL)
    return {name: sha256_of_file(root / name) for name in tags}


def _manifest_text(hashes: Mapping[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))


def _write(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text, "utf8", newline="\n")


def read_manifest(root: Path, manifest: str = layout.MANIFEST) -> dict[str, str]:
    """A manifest of a bag: name relative to the bag → SHA-256.

    Raises:
        PackageError: It is absent, or a line is malformed.
    """
    try:
        lines = (root / manifest).read_text("utf8").splitlines()
        pairs = (line.split(maxsplit=1) for line in lines if line.strip())
        return {name: digest.lower() for digest, name in pairs}
    except (OSError, ValueError) as error:
        raise PackageError("no readable manifest", where=manifest, found=error) from error


def identifier_of(root: Path) -> str | None:
    """The identifier that a bag states of itself; None where it states none or is no bag."""
    try:
        lines = (root / layout.BAG_INFO).read_text("utf8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    return fields.get(_IDENTIFIER)
