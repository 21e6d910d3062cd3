"""What is learnt of slides after they entered: columns of a user's table, coded on the way in."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathoai.errors import MissingFileError, StudyError
from pathoai.privacy.identifier import normalised
from pathoai.privacy.pseudonym import Kind, coded_term, load_or_create_key
from pathoai.privacy.shown import shown
from pathoai.study.cohort import IDENTIFIERS, CohortRow, opened_table
from pathoai.study.erased import refuse_erased
from pathoai.study.grade import check_grades
from pathoai.study.known_spelling import code_in_study
from pathoai.study.stain import stain_term
from pathoai.study.study import Study
from pathoai.study.submission import is_submission, read_submission

_CODED: dict[str, Kind] = {name: name for name in IDENTIFIERS}
_PLAIN = ("stain", "scanner", "stain_batch", "grade", "pair", "marker")
TABLE_COLUMNS = ("slide_id", *_CODED, *_PLAIN)
_TABLE = "TABLE.csv"


def import_columns(study: Study, path: Path) -> list[CohortRow]:
    """Add columns to slides that the study has; nothing changes unless every row is good.

    Identifiers of patients, blocks and centres become the codes that ``pathoai add`` would give
    them, or, where an older study has them by the code of another spelling, the code that it has.
    Blank cells say nothing.

    Args:
        study: The study.
        path: CSV with a column ``slide_id`` and some of :data:`TABLE_COLUMNS`; or grades
            in the one-hot form of :mod:`pathoai.study.submission`.

    Returns:
        The rows that the table named, as they are now.

    Raises:
        MissingFileError: There is no such file.
        InvalidValueError: An identifier holds a line break.
        StudyError: An unknown column or slide, a slide twice, a malformed cell, or another patient
            or block than the study has; or the study's key is not here.
        OntologyError: A grade is no class of the ontology.
    """
    if not path.is_file():
        raise MissingFileError("no such table", where=_TABLE)
    cohort = study.cohort
    key = load_or_create_key(study.vault, may_create=not len(cohort))
    coded = code_in_study(study, key)
    seen: dict[str, CohortRow] = {}
    for line, values in _submission(study, path) if is_submission(path) else _lines(path):
        known = cohort[values.pop("slide_id")]
        if known.slide_id in seen:
            raise StudyError(
                "a slide occurs twice", where=f"{_TABLE} line {line}", found=known.slide_id
            )
        stated = {k: v for k, v in values.items() if v}
        columns: dict[str, Any] = {"stain": ""}
        for name, value in stated.items():
            kind = _CODED.get(name)
            columns[name if kind is None else f"{name}_id"] = (
                coded(kind, value) if kind else coded_term(key, value)
            )
        seen[known.slide_id] = CohortRow(known.slide_id, **columns)
    check_grades(study.ontology, (row.grade for row in seen.values()))
    refuse_erased(study.path, seen.values())
    merged = cohort.merged(seen.values())
    merged.write(study.path / "cohort.csv")
    return [merged[slide_id] for slide_id in seen]


def _submission(study: Study, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a one-hot table, as if it had been a table of grades."""
    for line, (slide_id, grade) in enumerate(read_submission(study, path).items(), start=2):
        yield line, {"slide_id": slide_id, "grade": grade}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row."""
    with opened_table(path, _TABLE, encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or ()
        if "slide_id" not in names or len(names) < 2 or not set(names) <= set(TABLE_COLUMNS):
            raise StudyError(
                "the table has other columns than expected",
                where=_TABLE,
                found=", ".join(map(shown, names)) or "none",
                allowed="slide_id (required) and some of " + ", ".join(TABLE_COLUMNS[1:]),
            )
        for row in reader:
            if None in row or None in row.values():
                raise StudyError(
                    "a row needs as many cells as there are columns",
                    where=f"{_TABLE} line {reader.line_num}",
                )
            for name in _CODED:
                normalised(row.get(name, ""), f"{_TABLE} line {reader.line_num}, {name}")
            cells = {k: v.strip() for k, v in row.items()}
            if "stain" in cells:
                cells["stain"] = stain_term(cells["stain"])
            yield reader.line_num, cells
