"""Whom a code means: a patient and all his slides, or a slide whose patient is not known."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.errors import ErasureError
from pathoai.privacy.link_table import LinkTable
from pathoai.privacy.pseudonym import is_code
from pathoai.privacy.tombstones import TABLE, Tombstones, tombstone_hash
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study


@dataclass(frozen=True, slots=True)
class Person:
    """Who is taken out.

    Args:
        patient: Code of the patient; empty where not known.
        rows: His slides.
        traces: What must not be found any more: codes, hashes of files, and places of files.
    """

    patient: str
    rows: tuple[CohortRow, ...]
    traces: tuple[str, ...]

    @property
    def slides(self) -> tuple[str, ...]:
        """Codes of his slides."""
        return tuple(row.slide_id for row in self.rows)

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the person, his slides and their blocks."""
        blocks = {row.block_id for row in self.rows}
        return tuple(sorted({self.patient, *self.slides, *blocks} - {""}))

    def is_named_in(self, text: str) -> bool:
        """True where a text holds a trace of him, or what an interrupted run put in its place."""
        return any(trace in text or instead in text for trace, instead in self.hashes.items())

    @property
    def hashes(self) -> dict[str, str]:
        """Each trace → what stands in its place."""
        return {trace: tombstone_hash(trace) for trace in self.traces}


def person_of(study: Study, code: str) -> Person:
    """Whom a code of a patient or of a slide means.

    Args:
        study: The study.
        code: The code. A slide's means its patient with all his slides, where he is known.

    Raises:
        ErasureError: It is no code, or of nobody in the study.
    """
    if not is_code(code):
        raise ErasureError(
            "not the code of a patient or a slide",
            where="CODE",
            allowed="16 characters, as cohort.csv has them",
            remedy="give identifiers by `pathoai oppose STUDY --list FILE`: they are coded there",
        )
    cohort = list(study.cohort)
    of_slide = [row for row in cohort if row.slide_id == code]
    patient = of_slide[0].patient_id if of_slide else code
    rows = [row for row in cohort if patient and row.patient_id == patient] or of_slide
    if not rows:
        return _gone(study, code)
    sources = LinkTable(study.vault).sources()
    places = [sources[row.slide_id] for row in rows if row.slide_id in sources]
    person = Person(rows[0].patient_id, tuple(rows), ())
    files = [row.source_sha256 for row in rows if row.source_sha256]
    return Person(person.patient, person.rows, (*person.codes, *files, *places))


def _gone(study: Study, code: str) -> Person:
    """Somebody of whom an earlier, perhaps interrupted, run left no row."""
    if not Tombstones.read(study.path / TABLE).holds(code):
        raise ErasureError(
            "the study has no patient and no slide of this code",
            where="CODE",
            found=code,
            remedy="see the codes with `pathoai cohort show STUDY`",
        )
    return Person(code, (), (code,))
