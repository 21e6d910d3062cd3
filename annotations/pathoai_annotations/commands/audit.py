"""``pathoai audit``: who did what to a study, and whether that record still holds."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action
from pathoai.errors import AuditError
from pathoai.study.study import Study

if TYPE_CHECKING:  # loaded once the command runs
    from pathoai.privacy.audit_trail import AuditTrail

_NOT_HELD = (
    "the study may only be read here, so others may enter something while it is verified: if "
    "anything is broken, run it again before you believe it"
)


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    for name, told, action in (
        ("verify", "is the trail whole, and the journal what it says?", _verify),
        ("show", "list the entries", _show),
        ("archive", "move entries whose time is over into a file of their own", _archive),
    ):
        word = add_action(words, name, told, f"pathoai audit {name} my-study")
        word.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
        word.set_defaults(action=action)
        if name == "show":
            word.add_argument("--json", action="store_true", help="one JSON object on each line")


def run(options: Namespace) -> None:
    from pathoai.privacy.audit_trail import AuditTrail

    study = Study(options.study)
    options.action(study, AuditTrail.open(study), options)


def _verify(study: Study, trail: AuditTrail, options: Namespace) -> None:
    from pathoai.privacy.audit_archive import retention_days
    from pathoai.privacy.audit_check import check_trail, remarks_on

    retention_days(study.path)
    with trail.locked_if_writable() as is_held:
        found = list(check_trail(trail))
        found += _of_journal(study, trail)
        remarks = list(remarks_on(trail))
        entries = len(list(trail.entries()))
    if not is_held:
        remarks.append(_NOT_HELD)
    for remark in remarks:
        print(f"note: {remark}")
    for finding in found:
        print(f"broken: {finding}")
    if found:
        raise AuditError(
            "the audit trail does not hold",
            found=f"{len(found)} findings, the first: {found[0]}",
            remedy="keep the study as it is, and tell whoever answers for data protection",
        )
    print(f"{entries} entries hold, and the journal is what they say")


def _of_journal(study: Study, trail: AuditTrail) -> list[str]:
    from pathoai_annotations.journal.edit_trail import check_edits
    from pathoai_annotations.journal.queries import JournalQueries

    if not study.has_journal:
        return list(check_edits(trail, None))
    journal = JournalQueries(study.sheet.journal or study.journal_path)
    try:
        return list(check_edits(trail, journal.database))
    finally:
        journal.close()


def _show(study: Study, trail: AuditTrail, options: Namespace) -> None:
    for entry in trail.entries():
        if options.json:
            print(entry.line().decode(), end="")
        else:
            facts = json.dumps(entry.facts, sort_keys=True)
            print(f"{entry.seq} {entry.at} {entry.who} {entry.action} {facts}")


def _archive(study: Study, trail: AuditTrail, options: Namespace) -> None:
    from pathoai.privacy.audit_archive import archive_expired, retention_days

    days = retention_days(study.path)
    print(f"{archive_expired(trail, days)} entries older than {days} days archived")


COMMAND = Command(
    "audit",
    "show and verify who did what to a study",
    "pathoai audit verify my-study",
    configure,
    run,
)
