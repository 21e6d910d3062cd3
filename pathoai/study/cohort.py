"""The coded slides of a study, one row each, in ``cohort.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, TextIO

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import MissingFileError, StudyError
from pathoai.geometry import Mpp
from pathoai.privacy.identifier import normalised
from pathoai.privacy.pseudonym import is_code
from pathoai.privacy.shown import shown
from pathoai.study.stain import HE, is_routine, stain_term

_CODED = ("slide_id", "patient_id", "centre_id", "block_id")
_TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,31}")
_STAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+,\"()/-]{0,31}")
_MARKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+/-]{0,31}")
_ALLOWED = {
    "stain": (_STAIN, '. _ + - , " ( ) /'),
    "marker": (_MARKER, ". _ + - /"),
    "scanner": (_TERM, ". _ + -"),
    "stain_batch": (_TERM, ". _ + -"),
    "pair": (_TERM, ". _ + -"),
}


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One slide of the study.

    Args:
        slide_id: Its code.
        patient_id: Its patient's code; empty where the patient is not known.
        centre_id: Its centre's code; empty where not known.
        stain: ``HE``, ``HES``, or the marker of an IHC slide.
        mpp: The true scale in µm per pixel where the file's own is missing or wrong.
        source_sha256: SHA-256 of the file the slide came in.
        block_id: Its paraffin block's code; empty where not known.
        scanner: Model of the scanner, e.g. ``NanoZoomer S360``; empty where not known.
        stain_batch: Name of the batch it was stained in; empty where not known.
        grade: Key of the ontology's class that stands for the whole slide, such as its most severe
            lesion; empty where not known.
        pair: Short term that the scans of one section share, which was stained again in between;
            empty where there is no other scan.
        marker: What an IHC stain shows, e.g. ``AE1AE3``, where ``stain`` does not say it.
    """

    slide_id: str
    patient_id: str = ""
    centre_id: str = ""
    stain: str = HE
    mpp: float | None = None
    source_sha256: str = ""
    block_id: str = ""
    scanner: str = ""
    stain_batch: str = ""
    grade: str = ""
    pair: str = ""
    marker: str = ""

    def __post_init__(self) -> None:
        """Refuse anything but codes where a name could slip in, and impossible scales."""
        for name in _CODED:
            value = getattr(self, name)
            if not is_code(value) and (value or name == "slide_id"):
                raise StudyError(
                    "cohort.csv holds codes only",
                    where=f"column {name}",
                    allowed="16 characters made by `pathoai add`",
                    remedy="add slides by `pathoai add STUDY SLIDES`, not by editing the file",
                )
        for name, (allowed, signs) in _ALLOWED.items():
            if getattr(self, name) and not allowed.fullmatch(getattr(self, name)):
                raise StudyError(
                    "not a short term",
                    where=f"column {name}",
                    allowed=f"up to 32 letters, digits, blanks and {signs}",
                    remedy="name the device, batch, pair or marker, never a person",
                )
        if is_routine(self.stain) and self.marker:
            raise StudyError(
                "H&E shows no marker",
                where=f"slide {self.slide_id}",
                found=f"marker {self.marker}",
                remedy="state how the slide is stained: stain IHC, or the marker itself",
            )
        if self.mpp is not None:
            Mpp.square(self.mpp)

    @property
    def stated_mpp(self) -> Mpp | None:
        """The scale stated by the user, if any."""
        return None if self.mpp is None else Mpp.square(self.mpp)


COLUMNS = tuple(f.name for f in fields(CohortRow))
_FIRST_COLUMNS = COLUMNS[:6]
"""Those that the first studies had; a file may lack the others."""


class Cohort:
    """All rows, by slide id, in the order in which the slides were added."""

    def __init__(self, rows: Iterable[CohortRow] = ()) -> None:
        """A cohort of these rows; a repeated slide id keeps the last."""
        self._rows = {row.slide_id: row for row in rows}

    @classmethod
    def read(cls, path: Path) -> Cohort:
        """The cohort in a CSV file.

        Raises:
            StudyError: A column is unknown or a value is malformed; the message names the line.
        """
        with opened_table(path, "cohort.csv", encoding="utf8") as file:
            reader = csv.DictReader(file)
            names = tuple(reader.fieldnames or ())
            if names[:6] != _FIRST_COLUMNS or names != tuple(c for c in COLUMNS if c in names):
                raise StudyError(
                    "cohort.csv has other columns than expected",
                    found=", ".join(map(shown, names)),
                    allowed=", ".join(COLUMNS),
                )
            return cls(_parse_row(row, reader.line_num) for row in reader)

    def write(self, path: Path) -> None:
        """Write the CSV file; the old one stays until the new one is whole."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: "" if v is None else v for k, v in asdict(row).items()} for row in self
        )
        write_text_atomically(path, text.getvalue())

    def merged(self, rows: Iterable[CohortRow]) -> Cohort:
        """This cohort with rows added; what is stated anew of a known slide replaces the old.

        Raises:
            StudyError: A known slide would go to another patient or block, or a block would be of
                two patients: splits rest on them.
        """
        merged = dict(self._rows)
        for row in rows:
            known = merged.get(row.slide_id)
            if known is None:
                merged[row.slide_id] = replace(row, stain=row.stain or HE)
                continue
            for name, noun in (("patient_id", "patient"), ("block_id", "block")):
                _refuse_other(known, row, name, noun)
            stated = {k: v for k, v in asdict(row).items() if v not in ("", None)}
            merged[row.slide_id] = replace(known, **stated)
        _refuse_shared_blocks(merged.values())
        return Cohort(merged.values())

    def without(self, slide_ids: Iterable[str]) -> Cohort:
        """This cohort less some slides."""
        gone = set(slide_ids)
        return Cohort(row for row in self if row.slide_id not in gone)

    def __iter__(self) -> Iterator[CohortRow]:
        """Rows in the order of their adding."""
        return iter(self._rows.values())

    def __len__(self) -> int:
        """Number of slides."""
        return len(self._rows)

    def __contains__(self, slide_id: object) -> bool:
        """True for the id of one of its slides."""
        return slide_id in self._rows

    def __getitem__(self, slide_id: str) -> CohortRow:
        """The row of a slide.

        Raises:
            StudyError: The study has no such slide.
        """
        try:
            return self._rows[slide_id]
        except KeyError:
            raise StudyError(
                "the study has no such slide",
                found=shown(slide_id),
                allowed=", ".join(self._rows) or "none: the cohort is empty",
            ) from None

    def named(self, start: str) -> CohortRow:
        """The row of the slide whose code is so, or begins so as no other does; in any case.

        Raises:
            StudyError: Several begin so, or none does.
        """
        found = [
            slide_id for slide_id in self._rows if start and slide_id.startswith(start.upper())
        ]
        if len(found) > 1:
            raise StudyError(
                "several slides begin so",
                found=start,
                allowed=", ".join(found[:5]) + (", …" if len(found) > 5 else ""),
                remedy="give more of the code",
            )
        return self[found[0] if found else start]


def _refuse_other(known: CohortRow, row: CohortRow, name: str, noun: str) -> None:
    was, new = getattr(known, name), getattr(row, name)
    if new and was not in ("", new):
        raise StudyError(
            f"the slide is in the study under another {noun}",
            where=row.slide_id,
            found=new,
            allowed=was,
            remedy=f"correct what you add, or the {name} in cohort.csv",
        )


def _refuse_shared_blocks(rows: Iterable[CohortRow]) -> None:
    patients: dict[str, str] = {}
    for row in rows:
        if not row.block_id or not row.patient_id:
            continue
        if patients.setdefault(row.block_id, row.patient_id) != row.patient_id:
            raise StudyError(
                "one block cannot be of two patients",
                where=row.slide_id,
                found=f"block {row.block_id} of {patients[row.block_id]} and {row.patient_id}",
                remedy="name blocks with their case, e.g. 24B0173-A1: A1 alone is in every case",
            )


@contextmanager
def opened_table(path: Path, name: str, *, encoding: str) -> Iterator[TextIO]:
    """A CSV file, open for reading; what is no text is refused under the name given."""
    try:
        with path.open(newline="", encoding=encoding) as file:
            yield file
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(
            "not a CSV file in UTF-8",
            where=name,
            found=str(error),
            remedy="save it from your spreadsheet as 'CSV UTF-8', separated by commas",
        ) from error


def _parse_row(row: Mapping[str, str | None], line: int) -> CohortRow:
    try:
        values = {k: (v or "").strip() for k, v in row.items()}
        mpp = values.pop("mpp")
        return CohortRow(mpp=float(mpp) if mpp else None, **values)
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError("malformed row", where=f"cohort.csv line {line}", found=error) from error


@dataclass(frozen=True, slots=True)
class IncomingSlide:
    """A slide as the user names it, before coding; it never enters the study in this form.

    Blanks alone state nothing, and identifiers are brought to one spelling.

    Args:
        path: Where its file lies.
        patient: Any identifier of its patient; empty where not known.
        centre: Any identifier of its centre.
        stain: ``HE``, ``HES`` or a marker; empty where not stated, which makes a new slide ``HE``.
        mpp: The true scale where the file's own is missing or wrong.
        block: Any identifier of its paraffin block that no other case has.
        scanner: Model of the scanner, in a short term.
        stain_batch: Name of the batch it was stained in.
        grade: Key of the class that stands for the whole slide.
        pair: Short term that it shares with other scans of its section, before it was restained or
            after.
        marker: What its IHC stain shows, where ``stain`` does not say it.
    """

    path: Path
    patient: str = ""
    centre: str = ""
    stain: str = ""
    mpp: float | None = None
    block: str = ""
    scanner: str = ""
    stain_batch: str = ""
    grade: str = ""
    pair: str = ""
    marker: str = ""

    def __post_init__(self) -> None:
        """Bring texts to one spelling.

        Raises:
            InvalidValueError: An identifier holds a line break.
        """
        for name in _TEXTS:
            text = getattr(self, name)
            if name in IDENTIFIERS:
                text = normalised(text, f"identifier of the {name}")
            text = stain_term(text) if name == "stain" else text.strip()
            object.__setattr__(self, name, text)


IDENTIFIERS: tuple[Literal["patient", "block", "centre"], ...] = ("patient", "block", "centre")
"""Columns that are coded on the way in."""
_TEXTS = (
    *("patient", "centre", "stain", "block", "scanner", "stain_batch", "grade"),
    *("pair", "marker"),
)
_INCOMING_COLUMNS = ("slide", "mpp", *_TEXTS)


def read_incoming(path: Path) -> list[IncomingSlide]:
    """The slides of a user's cohort file: CSV with the columns of :class:`IncomingSlide`.

    Only ``slide`` (for the path) is required; relative paths start at the CSV file's folder.

    Raises:
        MissingFileError: The file does not exist.
        StudyError: A column is unknown, or a row is malformed; the message names the line.
    """
    if not path.is_file():
        raise MissingFileError("no such cohort file", where="COHORT.csv")
    with opened_table(path, "COHORT.csv", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or ()
        if "slide" not in names or not set(names) <= set(_INCOMING_COLUMNS):
            raise StudyError(
                "the cohort file has other columns than expected",
                where="COHORT.csv",
                found=", ".join(map(shown, names)) or "none",
                allowed="slide (required), " + ", ".join(_INCOMING_COLUMNS[1:]),
            )
        return [_parse_incoming(row, path.parent, reader.line_num) for row in reader]


def _parse_incoming(row: Mapping[str, str | None], folder: Path, line: int) -> IncomingSlide:
    where = f"COHORT.csv line {line}"
    values = {k: (v or "").strip() for k, v in row.items() if k is not None}
    values |= {k: normalised(v, f"{where}, {k}") for k, v in values.items() if k in IDENTIFIERS}
    if not values["slide"] or None in row:
        raise StudyError("a row needs a slide and no more cells than columns", where=where)
    try:
        mpp = float(values["mpp"]) if values.get("mpp") else None
    except ValueError as error:
        raise StudyError(
            "mpp is not a number", where=where, found=shown(values["mpp"]), allowed="e.g. 0.25"
        ) from error
    return IncomingSlide(
        path=folder / values["slide"], mpp=mpp, **{k: values.get(k, "") for k in _TEXTS}
    )
