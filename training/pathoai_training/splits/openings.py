"""The log of openings: each look at the test, in a chain that shows what was taken out."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, StudyError
from pathoai.provenance import sha256_of_json, utc_now
from pathoai.study.seals import seal, seals, sheet_locked
from pathoai.study.study import Study

_FILE = "openings.jsonl"
_TABLE, _HEAD = "openings", "head"
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_NONE = "0" * 64


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at the test slides of a split.

    Args:
        split: Its name, or ``patient`` or ``area`` for one made on the spot.
        split_sha256: Its hash.
        fold: From 1; 0 where there are no folds.
        model: Name of the model that was measured.
        model_sha256: Identity of its bundle, or of the run that is about to make it.
        purpose: Which command looked, e.g. ``evaluate``.
        who: Code of the person, never a name.

    Raises:
        InvalidValueError: ``who`` is no code.
    """

    split: str
    split_sha256: str
    fold: int
    model: str
    model_sha256: str
    purpose: str
    who: str = "operator"

    def __post_init__(self) -> None:
        """Refuse what could be a person's name and address."""
        if not _WHO.fullmatch(self.who):
            raise InvalidValueError(
                "who opens the test is a short code, never a name",
                found=f"{len(self.who)} characters",
                allowed="up to 32 letters, digits, _ and -",
            )


@dataclass(frozen=True, slots=True)
class LoggedOpening:
    """An opening as it stands in the log.

    Args:
        opening: What was opened.
        time: ISO 8601, UTC.
        previous: Hash of the entry before; zeros for the first.
    """

    opening: Opening
    time: str
    previous: str

    @property
    def sha256(self) -> str:
        """Hash over the entry and, through ``previous``, over all before it."""
        return sha256_of_json(asdict(self))


def open_test(study: Study, opening: Opening) -> LoggedOpening:
    """Log a look at the test; to be called before the look.

    Raises:
        StudyError: The log was altered: nothing may be opened before that is explained.
    """
    with sheet_locked(study.path):
        known = openings(study)
        entry = LoggedOpening(opening, utc_now(), known[-1].sha256 if known else _NONE)
        study.splits_path.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry) | {"sha256": entry.sha256}, sort_keys=True) + "\n"
        path = study.splits_path / _FILE
        before = path.read_text("utf8") if path.is_file() else ""
        # Whole or not at all: a line cut by a dying run would look like a forgery.
        write_text_atomically(path, before + line)
        seal(study.path, _TABLE, _HEAD, entry.sha256)
    return entry


def openings(study: Study) -> list[LoggedOpening]:
    """All openings so far, oldest first.

    Raises:
        StudyError: An entry was changed, taken out or put in; or the log is shorter than the study
            sheet says.
    """
    path = study.splits_path / _FILE
    lines = path.read_text("utf8").splitlines() if path.is_file() else []
    found: list[LoggedOpening] = []
    for number, line in enumerate(lines, start=1):
        entry, stated = _parsed(line, number)
        if entry.sha256 != stated or entry.previous != (found[-1].sha256 if found else _NONE):
            raise _altered(f"line {number}")
        found.append(entry)
    head = seals(study.path, _TABLE).get(_HEAD)
    # A run that died between the log and the sheet leaves the sheet one entry behind.
    if head is not None and head not in {entry.sha256 for entry in found}:
        raise _altered("the end of the log")
    return found


def _parsed(line: str, number: int) -> tuple[LoggedOpening, str]:
    try:
        raw: dict[str, Any] = json.loads(line)
        stated = str(raw.pop("sha256"))
        return LoggedOpening(**raw | {"opening": Opening(**raw["opening"])}), stated
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _altered(f"line {number}") from error


def _altered(where: str) -> StudyError:
    return StudyError(
        "the log of openings of the test was altered",
        where=_FILE,
        found=where,
        allowed="entries as they were written, each holding the hash of the one before",
        remedy="restore splits/openings.jsonl and study.toml from your backup",
    )
