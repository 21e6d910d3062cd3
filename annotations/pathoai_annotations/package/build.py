"""Building a package: everything is written beside its place, verified, then renamed into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_file
from pathoai.study.package_ledger import record_package
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.approve import write_approval
from pathoai_annotations.package.audits import audits_of, last_audit, write_audits
from pathoai_annotations.package.bag import write_bag
from pathoai_annotations.package.catalogue.transparency import write_transparency
from pathoai_annotations.package.catalogue.write_catalogue import write_catalogue
from pathoai_annotations.package.check_images import ImageCheck
from pathoai_annotations.package.deidentified_images import (
    ImageCopies,
    deidentified_images,
    forget_copies,
)
from pathoai_annotations.package.licence import find_licence
from pathoai_annotations.package.payload import PayloadWork, Plan
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.ro_crate import write_metadata
from pathoai_annotations.package.selection import Selection, select
from pathoai_annotations.package.staging import check_place, publish, staged
from pathoai_annotations.package.standing import standing_of, stays
from pathoai_annotations.package.study_terms import StudyTerms
from pathoai_annotations.package.summary import (
    check_version,
    one_line,
    package_id_of,
)
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import content_findings
from pathoai_annotations.record import SlideRecord

_FINDINGS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A package, and what had to stay in the study.

    Args:
        path: The folder.
        waiting: Slides, of which what readers stand behind waits for their sign-offs.
        is_unchanged: Whether an approved or signed package lay there already, which is the same
            and stays.
        before: What the package that lay there had: ``approval``, ``signature``.
    """

    path: Path
    waiting: tuple[SlideRecord, ...]
    is_unchanged: bool = False
    before: tuple[str, ...] = ()


def build_package(  # noqa: PLR0913 - what a package says of itself, kept flat
    study: Study,
    out: Path,
    *,
    approval: Approval | Release,
    version: str = "1.0.0",
    licence: str = "CC-BY-4.0",
    title: str | None = None,
    why: str | None = None,
    advance: Advance = silent,
    advance_images: Advance = silent,
    replace: bool = False,
) -> BuiltPackage:
    """Package the annotations of record of a study: RO-Crate 1.3 in a BagIt 1.0 bag.

    All dates come from the release and the journal, so that an unchanged study gives the same
    bytes again. A package of the same study at ``out`` is replaced; but one that is approved or
    signed stays where the new one would hold the same, and is lost only if asked for. What a killed
    run finished of single slides is kept. Where the release says so, the package holds
    de-identified copies of its slides; those that are finished are kept even where the build is
    refused.

    Args:
        study: The study.
        out: The folder to make.
        approval: Who lets an internal package leave, and exports it; or the release of one that
            awaits its approval (:func:`~pathoai_annotations.package.approve.approve_package`).
        version: Of the data, three numbers.
        licence: SPDX identifier.
        title: One line; the study's own where not given.
        why: Reason for this version.
        advance: Told of slides done and slides in all.
        advance_images: Told of MiB of slides de-identified and in all, before.
        replace: Let a package at ``out`` go that is approved or signed and differs.

    Returns:
        Where it is, and what was left out.

    Raises:
        PackageError: The study's retention has ended, it does not name who publishes what leaves
            the institution, nothing is validated and signed off, an annotation's slide is not in
            the cohort, ``out`` holds something else, is being written by another run, or holds an
            approved or signed package that differs and may not be replaced, the approval is older
            than the last edit, a slide cannot be found or de-identified, or the finished package
            does not verify (e.g. the title holds an e-mail address).
        StudyError: The audit of a marker's labels, a split or a record of a package is damaged.
        StoreError: A saved registration of a packaged slide is damaged.
        OntologyError: The study's ontology lacks a class that an annotation has.
        OSError: The disk is full or read-only; nothing is left at ``out`` that was not there.
    """
    release = _release(approval)
    plan = Plan(
        check_version(version),
        find_licence(licence),
        one_line(study.sheet.title if title is None else title),
        release,
        StudyTerms.of(study.sheet, release.tier),
        why,
    )
    _check_retention(study)
    check_place(out, package_id_of(study))
    with staged(out) as folder, Journal.open(study) as journal:
        check_place(out, package_id_of(study))  # once more: another run may just have ended
        selection = select(journal, study.cohort)
        audits = audits_of(study, journal)
        last_day = last_audit(audits, selection.last_edit)
        settled = approval.settled(last_day) if isinstance(approval, Approval) else None
        copies = _copies(study, out, selection, plan.release, advance_images)
        work = PayloadWork(study, journal, folder, selection, plan, copies)
        summary = work.write(tuple(one.marker for one in audits), advance)
        write_audits(folder / layout.PAYLOAD, audits)
        write_transparency(folder / layout.PAYLOAD, study, summary)
        write_catalogue(folder / layout.PAYLOAD, summary)
        write_metadata(folder, summary)
        write_bag(folder, summary)
        _refuse_findings(folder)
        if settled is not None:
            write_approval(folder, settled)
        record = work.record(summary, sha256_of_file(folder / layout.MANIFEST))
        before, is_unchanged = standing_of(out), stays(folder, out, replace=replace)
        if not is_unchanged:
            publish(folder, out)
        forget_copies(out)
        record_package(study, record)
    return BuiltPackage(out, selection.waiting, is_unchanged, before)


def _copies(
    study: Study, out: Path, selection: Selection, release: Release, advance: Advance
) -> ImageCopies | None:
    """De-identified copies of the slides; None where none goes into the package."""
    if not release.holds_images:
        return None
    return deidentified_images(study, selection.slide_ids, out, advance)


def _check_retention(study: Study) -> None:
    until = study.sheet.retention_until
    if until and date.today() > date.fromisoformat(until):
        raise PackageError(
            "the data should not be kept any longer, so none of them leaves",
            where="study.toml",
            found=f"retention_until {until}",
            allowed=f"from today, {date.today()}",
            remedy="erase the study, or have its retention prolonged and enter the new day",
        )


def _release(approval: Approval | Release) -> Release:
    if isinstance(approval, Release):
        return approval
    return Release(Tier.INTERNAL, approval.approved_by, approval.opposition_date)


def _refuse_findings(folder: Path) -> None:
    # Pixels were compared as the copies were made, and the files are the same by their hashes.
    findings, _ = content_findings(folder, ImageCheck(folder, pixels=False))
    if findings:
        shown = "; ".join(f"{f.where}: {f.what}" for f in findings[:_FINDINGS_SHOWN])
        more = len(findings) - _FINDINGS_SHOWN
        raise PackageError(
            "the package would not verify, so it was not made",
            found=shown + (f" and {more} more" if more > 0 else ""),
            remedy=findings[0].remedy,
        )
