"""Taking a person out of a study, so that a search of its bytes finds nothing of him.

Tombstones come first, so that nothing new enters; the row of the cohort goes last, because it tells
which slides are his. In between every step finds for itself what is left to do: a run that is
killed anywhere goes on to the same end.
"""

from __future__ import annotations

from itertools import groupby

from pathoai.errors import ErasureError
from pathoai.privacy.audit_entry import Action
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.privacy.link_table import LinkTable
from pathoai.privacy.tombstones import (
    TABLE,
    Reason,
    TombstoneKind,
    Tombstones,
    tombstone_hash,
)
from pathoai.provenance import ProvenanceRecord, utc_now
from pathoai.study.study import Study
from pathoai_annotations.erasure.person import Person
from pathoai_annotations.erasure.reach import Reach, reach_of
from pathoai_annotations.erasure.remains import clean, files_to_clean, files_with, remove
from pathoai_annotations.erasure.split_rows import remove_from_split
from pathoai_annotations.erasure.twin_labels import remove_label
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.redact import redact


def erase_person(study: Study, code: str, reason: Reason) -> Reach:
    """Take a person out of a study.

    Args:
        study: The study.
        code: Of the patient or of a slide.
        reason: Why.

    Returns:
        What held him, and was removed; and the models, packages and rooms that still do.

    Raises:
        ErasureError: The code is of nobody, or something of the person could not be removed.
    """
    started, reach = utc_now(), reach_of(study, code)
    _set_tombstones(study, reach.person, reason)
    trail = AuditTrail.open(study)
    trail.append(Action.ERASURE, trail.account(), _facts(reach, reason))
    _redact(study, reach)
    _remove_copies(study, reach)
    for path in files_to_clean(study.path, reach.person.traces):
        clean(study.path, path, reach.person.hashes)
    _remove_empty_folders(study, reach.person)
    if reach.person.rows:
        _record(study, reach, reason, started)
    _forget(study, reach.person)
    _refuse_remains(study, reach.person)
    return reach


def _set_tombstones(study: Study, person: Person, reason: Reason) -> None:
    path = study.path / TABLE
    patient = [person.patient] if person.patient else []
    stones = Tombstones.read(path).added(person.slides, TombstoneKind.SLIDE, reason)
    stones.added(patient, TombstoneKind.PATIENT, reason).write(path)


def _facts(reach: Reach, reason: Reason) -> dict[str, object]:
    return {
        "command": "oppose" if reason is Reason.OPPOSITION else "erase",
        "slides": [tombstone_hash(slide) for slide in reach.person.slides],
        "redacted": _spans(reach.edits),
        "models": list(reach.models),
        "packages": list(reach.packages),
    }


def _spans(numbers: tuple[int, ...]) -> list[list[int]]:
    """First and last of each stretch of consecutive numbers."""
    stretches = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    found = [[number for _, number in stretch] for _, stretch in stretches]
    return [[stretch[0], stretch[-1]] for stretch in found]


def _redact(study: Study, reach: Reach) -> None:
    if study.has_journal:
        with Journal.open(study) as journal:
            redact(journal, reach.edits, reach.person.hashes)


def _remove_copies(study: Study, reach: Reach) -> None:
    for label in reach.labels:
        for table in remove_label(label):
            remove(table)
    for path in reach.copies:
        remove(path)
    for path in reach.splits:
        remove_from_split(study, path, reach.person.slides)


def _remove_empty_folders(study: Study, person: Person) -> None:
    """Folders named after him, of which only the files were found."""
    named = (p for slide in person.codes for p in study.path.rglob(f"*{slide}*"))
    for folder in sorted(named, reverse=True):
        remove(folder)


def _record(study: Study, reach: Reach, reason: Reason, started: str) -> None:
    parameters = {
        "reason": reason.value,
        "slides": len(reach.person.slides),
        "edits": len(reach.edits),
        "models": list(reach.models),
        "packages": list(reach.packages),
    }
    record = ProvenanceRecord("erase", parameters, {}, {}, started, utc_now())
    record.write(study.provenance_path)


def _forget(study: Study, person: Person) -> None:
    links = LinkTable(study.vault)
    for slide in person.slides:
        links.forget(slide)
    cohort = study.cohort
    if any(slide in cohort for slide in person.slides):
        cohort.without(person.slides).write(study.path / "cohort.csv")


def _refuse_remains(study: Study, person: Person) -> None:
    left = [*files_with(study.path, person.traces)]
    if study.vault.is_dir():
        left += files_with(study.vault, person.traces)
    if left:
        raise ErasureError(
            "something of the person is left",
            found=f"{len(left)} files, the first a {left[0].suffix or 'file'} "
            f"in {left[0].parent.name if left[0].parent != study.path else 'the study'}",
            remedy="close every window and program that has the study open, and run the same "
            "command again",
        )
