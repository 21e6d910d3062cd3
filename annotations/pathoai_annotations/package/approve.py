"""Letting a finished package go: the record of the approval, bound to the package's content."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import PackageError
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval, Criteria
from pathoai_annotations.package.bag import write_tag_manifest
from pathoai_annotations.package.check_images import ImageCheck
from pathoai_annotations.package.release import Release, day_of, missing
from pathoai_annotations.package.verify import content_findings, require_package


def approval_of(
    path: Path,
    approved_by: str | None,
    role: str | None,
    approved_on: str | None,
    reasons: tuple[str, str, str],
) -> Approval:
    """An approval of a package from a command line; today's where no day is given.

    Args:
        path: The folder of the package.
        approved_by: Code of who approves.
        role: What that person is.
        approved_on: The day.
        reasons: Answers on individualisation, correlation and inference; all empty where none is
            given, as inside the institution.

    Raises:
        MissingFileError: Nothing lies there.
        PackageError: What lies there is no package, or a part is missing or malformed.
    """
    require_package(path)
    if not approved_by:
        raise missing(
            "--approved-by", "nobody approves the package", "give the code of who approves it"
        )
    if not role:
        raise missing("--role", "the role of the approver is not stated", "say it: --role TEXT")
    day = date.today() if approved_on is None else day_of(approved_on, "--approved-on")
    criteria = Criteria(*reasons) if any(reasons) else None
    return Approval(approved_by, role, Release.read(path).opposition_date, day, criteria)


def approve_package(path: Path, approval: Approval, advance: Advance = silent) -> None:
    """Write an approval into a package that is otherwise sound.

    Args:
        path: The folder of the package.
        approval: With its day; an earlier approval is replaced.
        advance: Told of slides whose pixels were compared, and slides in all.

    Raises:
        MissingFileError: Nothing lies there.
        PackageError: What lies there is no package or does not verify, was edited after that day,
            is signed already, its pixels cannot be compared here, or the approval does not cover
            it: see
            :meth:`~pathoai_annotations.package.approval.Approval.check_release`.
    """
    require_package(path)
    approval.check_release(Release.read(path))
    if (path / layout.SIGNATURE).exists():
        raise PackageError(
            "the package is signed: an approval would break the signature",
            where=layout.SIGNATURE,
            remedy="approve first, then sign",
        )
    images = ImageCheck(path, advance=advance)
    findings, last_edit = content_findings(path, images)
    if findings:
        raise PackageError(
            "what does not verify cannot be approved",
            where=findings[0].where,
            found=f"{findings[0].what}, and {len(findings) - 1} other findings",
            remedy=findings[0].remedy,
        )
    if images.notes:
        raise PackageError(
            "what was not checked cannot be approved", found=images.notes[0], where=path.name
        )
    settled = approval if last_edit is None else approval.settled(last_edit)
    write_approval(path, settled)


def write_approval(path: Path, approval: Approval) -> None:
    """Write the record, then what the bag says of its own files."""
    release = Release.read(path)
    bound = {"manifest_sha256": sha256_of_file(path / layout.MANIFEST)}
    record = release.to_json() | approval.to_json() | bound
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
    write_text_atomically(path / layout.APPROVAL, text + "\n")
    write_tag_manifest(path)
