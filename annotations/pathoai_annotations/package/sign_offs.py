"""Who signed which packaged slide off: in the package, checked, and back in an opened study."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError, PathoaiError
from pathoai.strict_json import read_json_lines
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.journal.edit import TOOL, Edit
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import layout
from pathoai_annotations.package.csv_file import Row, read_table, text
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.selection import Selection
from pathoai_annotations.package.table import SIGN_OFFS
from pathoai_annotations.readers.assignment import AssignmentTable

_SEEN = {True: "yes", False: "no", None: ""}
_JUDGED = frozenset(status.value for status in OF_RECORD)
_REMEDY = "do not use the package; ask its sender for one whose slides are signed off"


def sign_off_rows(study: Study, journal: Journal, selection: Selection) -> Iterator[Row]:
    """Each reader's last sign-off of each packaged slide, unless he reopened it since.

    Args:
        study: Its table of assignments says who reads as what.
        journal: Of the study.
        selection: Names the slides, and the last edit that is packaged.

    Raises:
        StudyError: The table of assignments is damaged.
    """
    table = AssignmentTable(study)
    for slide_id in selection.slide_ids:
        roles = table.of_slide(slide_id)
        merged = _merged_words(journal, slide_id, selection)
        for event in _standing(journal, slide_id, selection.last_seq):
            yield {
                "sign_off_id": str(event.event_id),
                "slide_id": slide_id,
                "reader": event.author,
                "role": text(roles.get(event.author)),
                "seq": str(event.seq),
                "signed_at": event.at,
                "grade": text(event.grade),
                "model_seen": _SEEN[event.with_model],
                "merged": " ".join(
                    sorted(
                        one
                        for (one, who), seq in merged.items()
                        if who == event.author and seq < event.seq
                    )
                ),
            }


def _merged_words(
    journal: Journal, slide_id: str, selection: Selection
) -> dict[tuple[str, str], int]:
    """Annotation and reader → edit in which he judged it right as it is now, set aside by a merge.

    The package's log has only edits that stand.
    """
    now: dict[uuid.UUID, Annotation] = {}
    aside: list[Event] = []
    for event in journal.events(slide_id):
        if event.annotation is None or event.seq > selection.last_seq:
            continue
        if event.state.id in selection.ids:
            if event.stands:
                now[event.state.id] = event.state
            elif event.state.status in OF_RECORD:
                aside.append(event)
    return {
        (str(e.state.id), e.author): e.seq
        for e in aside
        if (e.state.label, e.state.geometry) == (now[e.state.id].label, now[e.state.id].geometry)
    }


def _standing(journal: Journal, slide_id: str, last_seq: int) -> list[Event]:
    last: dict[str, Event] = {}
    for event in journal.remarks({Operation.SIGN_OFF, Operation.REOPEN}, slide_id):
        if event.seq > last_seq:
            break
        last.pop(event.author, None)  # so that the order is that of the last ones
        if event.operation is Operation.SIGN_OFF:
            last[event.author] = event
    return list(last.values())


def read_sign_offs(package: Path) -> Iterator[Event]:
    """The sign-offs of a package as a journal holds them, oldest first.

    Args:
        package: The bag's folder.

    Raises:
        PackageError: The table is absent, or a row is malformed.
    """
    try:
        found = [_event(row) for row in read_table(package, SIGN_OFFS)]
    except (ValueError, KeyError) as error:
        raise PackageError("malformed sign-off", where=SIGN_OFFS.path, found=repr(error)) from error
    return iter(sorted(found, key=lambda event: event.seq))


def _event(row: Row) -> Event:
    return Event(
        int(row["seq"]),
        row["signed_at"],
        row["reader"],
        TOOL,
        Operation.SIGN_OFF,
        None,
        row["slide_id"],
        None,
        uuid.UUID(row["sign_off_id"]),
        row["signed_at"],
        stands=False,
        grade=row["grade"] or None,
        with_model={word: seen for seen, word in _SEEN.items()}[row["model_seen"]],
    )


def check_sign_offs(root: Path) -> Iterator[Finding]:
    """Was every annotation judged right, as it is, by a reader who signed its slide off since?

    An annotation that an adjudicator settled needs no sign-off. Of words that a merge of reading
    rooms set aside, the log does not tell: the table of sign-offs does.

    Args:
        root: The bag's folder.
    """
    where = f"{layout.PAYLOAD}/{SIGN_OFFS.path}"
    signed: dict[str, dict[str, int]] = defaultdict(dict)
    slides, merged = layout.geojson_files(root), set[str]()
    try:
        for event in read_sign_offs(root):
            Edit(event.author)
            if event.slide_id not in slides:
                yield Finding("a sign-off of a slide that is not in the package", where)
            signed[event.slide_id][event.author] = event.seq
        merged.update(*(row["merged"].split() for row in read_table(root, SIGN_OFFS)))
    except PathoaiError as error:
        yield Finding(error.what, where)
        return
    for slide_id in slides:
        name = layout.journal_name(slide_id)
        try:
            stories = _stories(root / layout.PAYLOAD / name)
        except (OSError, ValueError, LookupError, TypeError):
            yield Finding("an edit in the log says what no edit does", f"{layout.PAYLOAD}/{name}")
            continue
        unsigned = sum(
            one not in merged and not story.is_covered(signed[slide_id])
            for one, story in stories.items()
        )
        if unsigned:
            what = f"{unsigned} annotations that no reader signed off"
            yield Finding(what, f"{layout.PAYLOAD}/{name}", _REMEDY)


@dataclass(slots=True)
class _Story:
    """What was said of one annotation, as far as its log tells."""

    operation: str = ""
    now: str = ""
    geometry: object = None
    said: dict[str, dict[str, int]] = field(default_factory=dict)
    """Class and outline → who judged them right → number of the edit in which he first did."""

    def add(self, record: Mapping[str, Any]) -> None:
        self.geometry = record.get("geometry", self.geometry)
        self.operation, author = record["operation"], record["author"]
        self.now = json.dumps([record["label"], self.geometry])
        if record["status"] in _JUDGED:
            self.said.setdefault(self.now, {}).setdefault(author, record["seq"])

    def is_covered(self, signed: Mapping[str, int]) -> bool:
        if self.operation == Operation.ADJUDICATE:
            return True
        right = self.said.get(self.now, {})
        return any(signed.get(reader, 0) > seq for reader, seq in right.items())


def _stories(path: Path) -> dict[str, _Story]:
    found: dict[str, _Story] = {}
    for record in read_json_lines(path):
        found.setdefault(record["annotation_id"], _Story()).add(record)
    return found
