"""A list of people who oppose: codes, or identifiers that are coded here and never stored."""

from __future__ import annotations

from pathlib import Path

from pathoai.errors import ErasureError, MissingFileError
from pathoai.privacy.pseudonym import code, is_code, load_or_create_key
from pathoai.privacy.tombstones import TABLE, Reason, TombstoneKind, Tombstones
from pathoai.study.study import Study


def codes_on_list(study: Study, path: Path) -> list[str]:
    """Codes of the patients or slides on a list, in its order, each once.

    Args:
        study: The study.
        path: A text file with one code or one identifier of a patient on each line.

    Raises:
        MissingFileError: There is no such file.
        ErasureError: It is no text.
        StudyError: It holds identifiers, and the study's key is not here.
    """
    if not path.is_file():
        raise MissingFileError("no such list", where="--list")
    try:
        words = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ErasureError("the list is no text in UTF-8", where="--list") from error
    named = [word for word in words if word]
    if all(is_code(word) for word in named):
        return list(dict.fromkeys(named))
    key = load_or_create_key(study.vault, may_create=False)
    return list(dict.fromkeys(w if is_code(w) else code(key, "patient", w) for w in named))


def in_study(study: Study, codes: list[str]) -> list[str]:
    """Those of the codes that are in the study, one for each person."""
    cohort = list(study.cohort)
    patients = {row.slide_id: row.patient_id or row.slide_id for row in cohort}
    known = {row.patient_id for row in cohort}
    found = (patients.get(one, one if one in known else "") for one in codes)
    return [one for one in dict.fromkeys(found) if one]


def keep_out(study: Study, codes: list[str]) -> None:
    """Set a tombstone for patients who are not in the study, so that none of them enters later."""
    path = study.path / TABLE
    stones = Tombstones.read(path)
    stones.added(codes, TombstoneKind.PATIENT, Reason.OPPOSITION).write(path)
