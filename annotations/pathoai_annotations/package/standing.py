"""What an approved or signed package at the place of a new one is worth: it is not lost silently.

An approval and a signature are bound to what a package holds. Where a new build holds the same, the
package that lies there stays with both; where it holds something else, nothing takes their place
unless that is asked for.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.check_approval import check_approval
from pathoai_annotations.package.check_files import check_bag
from pathoai_annotations.package.protection.signature import check_signature


def standing_of(out: Path) -> tuple[str, ...]:
    """What somebody gave the package at a place: ``approval``, ``signature``, both or neither."""
    given = (("approval", layout.APPROVAL), ("signature", layout.SIGNATURE))
    return tuple(noun for noun, name in given if (out / name).exists())


def stays(folder: Path, out: Path, *, replace: bool) -> bool:
    """True where the package at a place stays, since the new one holds the same.

    Args:
        folder: The new package, finished, with its approval where it was built with one.
        out: The place.
        replace: Whether an approved or signed package may be lost.

    Raises:
        PackageError: It is approved or signed and not what was built, and may not be lost.
    """
    standing = standing_of(out)
    if not standing:
        return False
    difference = _difference(folder, out)
    if difference and not replace:
        raise PackageError(
            f"what lies there has an {' and a '.join(standing)}, which would be lost",
            where=out.name,
            found=difference,
            allowed="a build that gives the same package",
            remedy="build into another folder; or give --replace, and let the new package be "
            "approved and signed again",
        )
    return not difference


def _difference(folder: Path, out: Path) -> str:
    """Why the package at a place is not what was built; empty where it is."""
    if _digest(folder, layout.MANIFEST) != _digest(out, layout.MANIFEST):
        return "the new package holds something else"
    if (folder / layout.APPROVAL).exists() and (
        _digest(folder, layout.APPROVAL) != _digest(out, layout.APPROVAL)
    ):
        return "the new package has another approval"
    checks = [check_bag(out), check_signature(out)]
    if (out / layout.APPROVAL).exists():
        checks.append(check_approval(out, None))
    finding = next(chain.from_iterable(checks), None)
    if finding is None:
        return ""
    return f"it does not verify any more ({finding.where}: {finding.what})"


def _digest(root: Path, name: str) -> str:
    path = root / name
    return sha256_of_file(path) if path.is_file() else ""
