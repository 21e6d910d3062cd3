"""Who reads which slide, and who settles it: one table, to which lines are only added.

``readers/assignments.csv`` is the list of decisions and the record of them in one. A line gives or
takes one slide to one reader; the last line about a slide and a reader is what counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import AnnotationError, StudyError
from pathoai.privacy.pseudonym import is_code
from pathoai.provenance import utc_now
from pathoai.study.cohort import opened_table
from pathoai.study.study import Study
from pathoai_annotations.annotation import check_author
from pathoai_annotations.readers.tables_lock import tables_locked

TABLE = "assignments.csv"


class Role(StrEnum):
    """What a person does on a slide."""

    READER = "reader"
    BLIND_READER = "blind-reader"
    """Reads without seeing what others said, in a reading room."""
    ADJUDICATOR = "adjudicator"
    """Settles where readers differ, once they have signed off."""
    NONE = "none"
    """The slide was taken back."""


READING = frozenset({Role.READER, Role.BLIND_READER})


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of the table.

    Args:
        at: ISO 8601, UTC.
        slide_id: Code of the slide.
        reader: Code of the person, never a name.
        role: What the person does on it from then on.

    Raises:
        AnnotationError: The slide or the person is not named by a code.
    """

    at: str
    slide_id: str
    reader: str
    role: Role

    def __post_init__(self) -> None:
        """Refuse names."""
        check_author(self.reader)
        if not is_code(self.slide_id):
            raise AnnotationError("an assignment names its slide by code", where=TABLE)


COLUMNS = tuple(field.name for field in fields(Assignment))


class AssignmentTable:
    """The table of a study.

    Args:
        study: Where it lies; a study without one has no assignments.

    Raises:
        StudyError: The table is damaged.
    """

    def __init__(self, study: Study) -> None:
        """Read it."""
        self._path = study.readers_path / TABLE
        self.history: tuple[Assignment, ...] = tuple(_read(self._path))

    @property
    def current(self) -> tuple[Assignment, ...]:
        """What counts now: the last line about each slide and reader, less what was taken back."""
        last = {(one.slide_id, one.reader): one for one in self.history}
        return tuple(one for one in last.values() if one.role is not Role.NONE)

    def of_slide(self, slide_id: str) -> dict[str, Role]:
        """Who does what on a slide, by their codes."""
        return {one.reader: one.role for one in self.current if one.slide_id == slide_id}

    def of_reader(self, reader: str) -> dict[str, Role]:
        """What a person does, by slide."""
        return {one.slide_id: one.role for one in self.current if one.reader == reader}

    def readers_of(self, slide_id: str) -> tuple[str, ...]:
        """Codes of those who read a slide, blind or not."""
        return tuple(r for r, role in self.of_slide(slide_id).items() if role in READING)


def assign(study: Study, slide_ids: Iterable[str], roles: dict[str, Role]) -> int:
    """Add lines to the table for what is new; all or none.

    Args:
        study: Whose slides they are.
        slide_ids: Codes of the slides.
        roles: What each person is to do on each of them.

    Returns:
        How many lines were added.

    Raises:
        AnnotationError: A person is not named by a code.
        StudyError: The study has no such slide, a slide would have an adjudicator who reads it, or
            a blind reader would be blind no more.
    """
    wanted = [study.cohort[slide_id].slide_id for slide_id in slide_ids]
    now = utc_now()
    with tables_locked(study):
        table = AssignmentTable(study)
        added = []
        for slide_id in dict.fromkeys(wanted):
            known = table.of_slide(slide_id)
            _refuse_judges_in_their_own_case(slide_id, known, roles)
            _refuse_opened_eyes(slide_id, known, roles)
            added += [
                Assignment(now, slide_id, reader, role)
                for reader, role in roles.items()
                if known.get(reader, Role.NONE) is not role
            ]
        if added:
            _write(study.readers_path / TABLE, [*table.history, *added])
    return len(added)


def _refuse_judges_in_their_own_case(
    slide_id: str, known: dict[str, Role], roles: dict[str, Role]
) -> None:
    for reader, role in roles.items():
        before = known.get(reader, Role.NONE)
        if Role.ADJUDICATOR in (before, role) and {before, role} & READING:
            raise StudyError(
                "who reads a slide cannot settle it as well",
                where=f"{slide_id} {reader}",
                found=f"{before}, to be {role}",
                remedy="choose another adjudicator, or take the slide back first by "
                "`pathoai readers withdraw`",
            )


def _refuse_opened_eyes(slide_id: str, known: dict[str, Role], roles: dict[str, Role]) -> None:
    """A forgotten `--blind` must not end a blind reading."""
    for reader, role in roles.items():
        if role is Role.READER and known.get(reader) is Role.BLIND_READER:
            raise StudyError(
                "a blind reader would be blind no more",
                where=f"{slide_id} {reader}",
                remedy="assign with --blind; or take the slide back first by "
                "`pathoai readers withdraw`, and its reading is no blind one",
            )


def _read(path: Path) -> Iterator[Assignment]:
    if not path.is_file():
        return
    with opened_table(path, TABLE, encoding="utf8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise StudyError(
                "the table of assignments has other columns than expected",
                where=TABLE,
                found=", ".join(rows.fieldnames or ()),
                allowed=", ".join(COLUMNS),
            )
        for row in rows:
            yield _parse(row, rows.line_num)


def _parse(row: dict[str, str], line: int) -> Assignment:
    try:
        return Assignment(row["at"], row["slide_id"], row["reader"], Role(row["role"]))
    except (AnnotationError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            "malformed row", where=f"{TABLE} line {line}", found=error, allowed=", ".join(Role)
        ) from error


def _write(path: Path, rows: Iterable[Assignment]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text_atomically(path, text.getvalue())
