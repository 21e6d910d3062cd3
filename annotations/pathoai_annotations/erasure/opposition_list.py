"""A list of people who oppose: codes, or identifiers that are coded here and never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import ErasureError, MissingFileError
from pathoai.privacy.pseudonym import codes_of_all_spellings, is_code, load_or_create_key
from pathoai.privacy.tombstones import TABLE, Reason, TombstoneKind, Tombstones
from pathoai.study.study import Study


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """Somebody on a list.

    Args:
        line: Number of the first line that names him, from 1: what may be said of him.
        codes: His code; then those that other spellings of his identifier had in older studies.
        here: Codes of him that the study has.
        is_out: Whether he has a tombstone: he was taken out, or kept out, before.
    """

    line: int
    codes: tuple[str, ...]
    here: tuple[str, ...]
    is_out: bool


def people_on_list(study: Study, path: Path) -> list[ListedPerson]:
    """Who is on a list, in its order, each once.

    Args:
        study: The study.
        path: A text file with one code or one identifier of a patient on each line, in any
            spelling: Unicode's forms and blanks make no difference, also not for codes that were
            made before they did not (:mod:`pathoai.privacy.identifier`).

    Raises:
        MissingFileError: There is no such file.
        ErasureError: It is no text, or names nobody.
        StudyError: It holds identifiers, and the study's key is not here.
    """
    named = _named(path)
    if not named:
        raise ErasureError(
            "the list names nobody, so it was not applied",
            where="--list",
            found="no line with a word",
            allowed="a code or an identifier of a patient on each line",
            remedy="check that it is the right file; if nobody objected, say up to which day: "
            "`pathoai package build … --opposition-date YYYY-MM-DD`",
        )
    key = b""
    if not all(is_code(text.strip()) for text in named.values()):
        key = load_or_create_key(study.vault, may_create=False)
    lines: dict[str, int] = {}
    codes: dict[str, list[str]] = {}
    for line, text in named.items():
        word = text.strip()
        his = (word,) if is_code(word) else codes_of_all_spellings(key, "patient", text)
        lines.setdefault(his[0], line)
        codes.setdefault(his[0], []).extend(his)
    return _found(study, lines, codes)


def _found(
    study: Study, lines: Mapping[str, int], codes: Mapping[str, Sequence[str]]
) -> list[ListedPerson]:
    cohort, stones = list(study.cohort), Tombstones.read(study.path / TABLE)
    patients = {row.slide_id: row.patient_id or row.slide_id for row in cohort}
    patients |= {row.patient_id: row.patient_id for row in cohort if row.patient_id}
    return [
        ListedPerson(
            lines[code],
            tuple(dict.fromkeys(his)),
            tuple(dict.fromkeys(patients[one] for one in his if one in patients)),
            any(stones.holds(one) for one in his),
        )
        for code, his in codes.items()
    ]


def _named(path: Path) -> dict[int, str]:
    """Number → text of each line that is not blank."""
    if not path.is_file():
        raise MissingFileError("no such list", where="--list")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ErasureError("the list is no text in UTF-8", where="--list") from error
    return {number: text for number, text in enumerate(lines, start=1) if text.strip()}


def keep_out(study: Study, people: Sequence[ListedPerson]) -> None:
    """Set a tombstone for patients who are not in the study, so that none of them enters later."""
    path = study.path / TABLE
    codes = [person.codes[0] for person in people]
    stones = Tombstones.read(path)
    stones.added(codes, TombstoneKind.PATIENT, Reason.OPPOSITION).write(path)
