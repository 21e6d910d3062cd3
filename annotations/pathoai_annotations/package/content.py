"""What goes into a package: the annotations of record of one moment, and their history."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pathoai.errors import PackageError
from pathoai.ontology import Ontology
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.journal import Event, Journal
from pathoai_annotations.package.approval import Approval

_VERSION = re.compile(r"\d+\.\d+\.\d+([.-][0-9A-Za-z]+)*")
_DEMONSTRATION = "demo"
_PROGRAMS = ("model:", "method:")

LICENCES = {
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution Share Alike 4.0 International",
    "CC-BY-NC-4.0": "Creative Commons Attribution Non Commercial 4.0 International",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution Non Commercial Share Alike 4.0 International",
    "ODbL-1.0": "Open Data Commons Open Database License v1.0",
}
"""Licences for data, by SPDX identifier (https://spdx.org/licenses)."""


@dataclass(frozen=True, slots=True)
class Release:
    """How a package leaves.

    Args:
        approval: Who allowed it.
        version: ``MAJOR.MINOR.PATCH``, of the data.
        licence: SPDX identifier.

    Raises:
        PackageError: The version is malformed or the licence unknown.
    """

    approval: Approval
    version: str = "1.0.0"
    licence: str = "CC-BY-4.0"

    def __post_init__(self) -> None:
        """Refuse what a reader could not resolve."""
        if not _VERSION.fullmatch(self.version):
            raise PackageError(
                "malformed version", where="--version", found=self.version, allowed="e.g. 1.0.0"
            )
        if self.licence not in LICENCES:
            raise PackageError(
                "unknown licence",
                where="--licence",
                found=self.licence,
                allowed=", ".join(LICENCES),
            )

    @property
    def licence_iri(self) -> str:
        """Where the licence is identified."""
        return f"https://spdx.org/licenses/{self.licence}"


@dataclass(slots=True)
class AuthorRecord:
    """What one author did to the annotations of the package.

    Args:
        author: The code.
        edits: Operation of the journal → number of annotations; repeated edits count each time.
        is_program: True where the code only ever proposed what a model or a method found.
    """

    author: str
    edits: Counter[str] = field(default_factory=Counter)
    is_program: bool = True

    @property
    def is_demonstration(self) -> bool:
        """True for authors that pathoai's own demo makes up: no pathologist stands behind them."""
        return is_demonstration(self.author)


@dataclass(frozen=True, slots=True)
class PackageContent:
    """Everything a package says.

    Args:
        package_id: Identity of the study's package through its versions; not the study's own.
        title: The study's.
        responsible: The study's.
        ontology: Classes of the study.
        slides: Those with annotations of record, in the cohort's order.
        annotations: Slide → its annotations of record, in the order of their first proposal.
        first_at: Annotation → time of its first event, ISO 8601 in UTC.
        last_at: Annotation → time of its last event.
        authors: By code, sorted.
    """

    package_id: uuid.UUID
    title: str
    responsible: str
    ontology: Ontology
    slides: tuple[CohortRow, ...]
    annotations: dict[str, list[Annotation]]
    first_at: dict[uuid.UUID, str]
    last_at: dict[uuid.UUID, str]
    authors: tuple[AuthorRecord, ...]

    def all_annotations(self) -> list[Annotation]:
        """The annotations of all slides, slide by slide."""
        return [a for row in self.slides for a in self.annotations[row.slide_id]]

    def counts(self) -> dict[tuple[str, str], int]:
        """Origin and status → number of annotations, sorted."""
        found = Counter((a.origin.value, a.status.value) for a in self.all_annotations())
        return dict(sorted(found.items()))

    @property
    def demonstration_authors(self) -> list[str]:
        """Codes of authors that are no pathologists but part of a demonstration."""
        return [a.author for a in self.authors if a.is_demonstration]


def is_demonstration(author: str) -> bool:
    """True for the codes that pathoai's own demo gives."""
    return author.lower().startswith(_DEMONSTRATION)


def package_id_of(study: Study) -> uuid.UUID:
    """The same for all versions of a study's package; the study's own id does not leave."""
    return uuid.uuid5(uuid.UUID(study.sheet.uuid), "annotation-package")


def gather(study: Study) -> PackageContent:
    """The annotations of record as they are now.

    Raises:
        PackageError: There is none, or one lies on a slide that is not in the cohort.
        OntologyError: One has a class that the study's ontology lacks.
    """
    if not study.journal_path.exists():
        raise _nothing(study)
    with Journal.open(study) as journal:
        events = list(journal.events())
        # Whoever edits while we read belongs to the next version.
        last = events[-1].seq if events else 0
        chosen = journal.annotations(status=OF_RECORD, at_seq=last)
    if not chosen:
        raise _nothing(study)
    cohort, ontology = study.cohort, study.ontology
    by_slide: dict[str, list[Annotation]] = {}
    for annotation in chosen:
        _ = ontology[annotation.label]
        by_slide.setdefault(annotation.slide_id, []).append(annotation)
    strangers = sorted(set(by_slide) - {row.slide_id for row in cohort})
    if strangers:
        raise PackageError(
            "annotations lie on a slide that is not in the cohort",
            where=study.path.name,
            found=", ".join(strangers),
            remedy="add the slide again, or reject its annotations if its patient objected",
        )
    inside = {a.id for a in chosen}
    history = [event for event in events if event.annotation.id in inside]
    return PackageContent(
        package_id_of(study),
        study.sheet.title,
        study.sheet.responsible,
        ontology,
        tuple(row for row in cohort if row.slide_id in by_slide),
        by_slide,
        {event.annotation.id: event.at for event in reversed(history)},
        {event.annotation.id: event.at for event in history},
        _authors(history),
    )


def _nothing(study: Study) -> PackageError:
    return PackageError(
        "no validated annotation: there is nothing to share",
        where=study.path.name,
        remedy="validate annotations in `pathoai review`, or by `pathoai annotations validate`",
    )


def _authors(history: Iterable[Event]) -> tuple[AuthorRecord, ...]:
    records: dict[str, AuthorRecord] = {}
    for event in history:
        record = records.setdefault(event.author, AuthorRecord(event.author))
        record.edits[event.operation] += 1
        source = event.annotation.derived_from or ""
        record.is_program &= event.operation == "propose" and source.startswith(_PROGRAMS)
    return tuple(records[author] for author in sorted(records))
