"""Grades of slides in the one-hot table of the TissueNet challenge: ``filename,0,1,2,3``.

A column for each rank of the ontology, from least to most severe; 1 stands in that of the slide's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import MissingFileError, OntologyError, StudyError
from pathoai.ontology import Ontology
from pathoai.privacy.link_table import LinkTable
from pathoai.study.cohort import opened_table
from pathoai.study.grade import class_of_rank, severity
from pathoai.study.study import Study

_TABLE = "TABLE.csv"
_NAME = "filename"
_PROBABILITY = "probability_"
_REFER = "refer"
"""What ``pathoai predict`` writes of a slide that it leaves to the doctor."""


def write_submission(
    study: Study, path: Path, grades: Mapping[str, str], *, file_names: bool = False
) -> None:
    """Write the table.

    Args:
        study: Gives the ranks, and the names.
        path: The table.
        grades: Key of a class by code of a slide; every slide needs one.
        file_names: Call slides by the names of their files, which the link table outside the study
            knows, instead of by their codes. Such names may name a patient.

    Raises:
        OntologyError: The ontology is not ordinal, or a grade is none.
        StudyError: A slide has no grade, or its file's name is not known here.
    """
    ranks = _ranks(study.ontology)
    ungraded = [slide_id for slide_id, grade in grades.items() if not grade]
    if ungraded or not grades:
        raise StudyError(
            "slides without a grade" if grades else "no slide has a grade",
            where=_TABLE,
            found=", ".join(ungraded) or None,
            remedy="grade them: `pathoai cohort import`, or --model for a model's grades",
        )
    names = LinkTable(study.vault).file_names() if file_names else {key: key for key in grades}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_NAME, *ranks])
    for slide_id, grade in grades.items():
        if slide_id not in names:
            raise StudyError(
                "the name of the slide's file is not known here",
                where=slide_id,
                remedy="restore the study's vault, or leave --file-names out",
            )
        rank = severity(study.ontology, grade)
        writer.writerow([names[slide_id], *(int(rank == one) for one in ranks)])
    write_text_atomically(path, text.getvalue())


def grades_of_model(study: Study, model: str) -> tuple[dict[str, str], int]:
    """What a model says of each slide, from ``predictions/<model>.csv``.

    Returns:
        Key of a class by code of a slide, and of how many it left the grade to the doctor: of these
        it is the most probable one, because the challenge knows no doctor.

    Raises:
        StudyError: The model has graded no slide of this study.
    """
    path = study.predictions_path(model)
    if not path.is_file():
        raise StudyError(
            "the model has graded no slide",
            where=study.path.name,
            found=repr(model),
            remedy=f"run `pathoai predict STUDY --model {model}` with a model of whole slides",
        )
    found, referred = {}, 0
    with opened_table(path, _TABLE, encoding="utf8") as file:
        for row in csv.DictReader(file):
            grade = row["decision"]
            if grade == _REFER:
                referred += 1
                shares = {k: float(v) for k, v in row.items() if k.startswith(_PROBABILITY)}
                grade = max(shares, key=shares.__getitem__).removeprefix(_PROBABILITY)
            found[row["slide_id"]] = grade
    return found, referred


def is_submission(path: Path) -> bool:
    """True where a table has the columns of a submission."""
    with opened_table(path, _TABLE, encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
    return names[:1] == [_NAME] and len(names) > 1 and all(n.isdecimal() for n in names[1:])


def read_submission(study: Study, path: Path) -> dict[str, str]:
    """Grades of slides that the study has.

    Args:
        study: The study; on the machine that knows its files, where the table names these.
        path: The table; slides are called by code, or by their files' names; endings may lack.

    Returns:
        Key of the most general class of the rank, by code of the slide.

    Raises:
        MissingFileError: There is no such file.
        StudyError: A slide is not in the study or twice in the table, or a row has not one 1.
        OntologyError: The ontology has other ranks.
    """
    if not path.is_file():
        raise MissingFileError("no such table", where=_TABLE)
    codes, ranks = _codes(study), _ranks(study.ontology)
    found: dict[str, str] = {}
    with opened_table(path, _TABLE, encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if header[1:] != [str(rank) for rank in ranks]:
            raise OntologyError(
                "the table has other grades than the ontology",
                where=_TABLE,
                found=", ".join(header[1:]),
                allowed=", ".join(map(str, ranks)),
            )
        for row in reader:
            where = f"{_TABLE} line {reader.line_num}"
            slide_id, rank = _row(row, codes, ranks, where)
            if slide_id in found:
                raise StudyError("a slide occurs twice", where=where, found=slide_id)
            found[slide_id] = class_of_rank(study.ontology, rank).key
    return found


def _row(row: list[str], codes: Mapping[str, str], ranks: list[int], where: str) -> tuple[str, int]:
    if len(row) != len(ranks) + 1 or sorted(row[1:]) != ["0"] * (len(ranks) - 1) + ["1"]:
        raise StudyError("a row has one 1, and 0 elsewhere", where=where, found=", ".join(row[1:]))
    name = row[0].strip()
    slide_id = codes.get(name) or codes.get(Path(name).stem)
    if not slide_id:
        raise StudyError(
            "the study has no such slide, or several",
            where=where,
            found=name,
            allowed="codes of slides, or names of the files that were added",
        )
    return slide_id, ranks[row.index("1", 1) - 1]


def _codes(study: Study) -> dict[str, str]:
    """Codes by every name that a slide may have; empty where a name is that of several."""
    found: dict[str, str] = {}
    names = LinkTable(study.vault).file_names()
    for row in study.cohort:
        file = names.get(row.slide_id, "")
        for name in {row.slide_id, file, Path(file).stem} - {""}:
            found[name] = "" if name in found else row.slide_id
    return found


def _ranks(ontology: Ontology) -> list[int]:
    ranks = sorted({c.grade for c in ontology.classes if c.grade is not None})
    if not ranks:
        raise OntologyError(
            "the ontology ranks no grades", where=f"ontology {ontology.key}", allowed="e.g. cervix"
        )
    return ranks
