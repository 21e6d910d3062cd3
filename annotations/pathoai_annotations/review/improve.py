"""What readers accepted or corrected, region by region, as what the next training learns from.

Nothing is copied: the journal holds it, `pathoai label --read-regions` makes a label of it in which
only these regions count as assessed, and `pathoai train` learns from that label.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count

from pathoai.geometry import Region
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.rasterise_annotations import AnnotationChoice
from pathoai_annotations.record import slide_record

_LEARNT_FROM = frozenset({Outcome.ACCEPTED, Outcome.CORRECTED})


def read_regions(
    journal: Journal, slide_id: str | None = None, *, author: str = ""
) -> dict[str, tuple[Region, ...]]:
    """Regions that a reader has accepted as they were, or corrected, by slide.

    Of a region that several read the last reading counts: one that somebody rejected, or was unsure
    of, since is not known. Who audits a label outlines nothing, so audits say nothing here.

    Args:
        journal: Of the study.
        slide_id: Only of this slide.
        author: Only what this code read; all readers where empty.
    """
    last: dict[tuple[str, Region], RegionReading] = {}
    for reading in sorted(journal.region_readings(slide_id, author or None), key=lambda r: r.seq):
        if reading.kind is not RegionKind.AUDIT:
            last[reading.slide_id, reading.region] = reading
    found: dict[str, list[Region]] = {}
    for (slide, region), reading in last.items():
        if reading.outcome in _LEARNT_FROM:
            found.setdefault(slide, []).append(region)
    return {slide: tuple(regions) for slide, regions in found.items()}


@dataclass(frozen=True)
class LearntSlide:
    """What one slide gives to the next training.

    Args:
        slide_id: Code of the slide.
        regions: Read, level-0 pixels.
        counts: Annotations of record in them, by the key of their class.
        undecided: Outlines in them that nobody judged, or signed off: what lies there is unknown.
    """

    slide_id: str
    regions: tuple[Region, ...]
    counts: Mapping[str, int]
    undecided: int


@dataclass(frozen=True)
class NextTraining:
    """All that the next training learns from.

    Args:
        slides: In the order of the cohort.
        author: Of whose readings; all readers' where empty.
    """

    slides: tuple[LearntSlide, ...]
    author: str = ""

    @property
    def regions(self) -> int:
        """How many regions."""
        return sum(len(one.regions) for one in self.slides)

    def by_class(self, ontology: Ontology) -> dict[str, int]:
        """Annotations in them, by class, in the order of the ontology."""
        total = sum((Counter(one.counts) for one in self.slides), Counter[str]())
        return {c.key: total[c.key] for c in ontology.classes if total[c.key]}

    @property
    def label(self) -> str:
        """Name of the label that is made of it."""
        return AnnotationChoice(self.author, read_regions=True).name

    def commands(self, study: Study, recipe: str) -> tuple[str, str]:
        """The two lines to run, one after the other.

        Args:
            study: The study.
            recipe: Name of the recipe of training.
        """
        place = shlex.quote(str(study.path))
        author = f" --author {shlex.quote(self.author)}" if self.author else ""
        slides = " ".join(one.slide_id for one in self.slides)
        free = _free_name(study, recipe)
        name = "" if free == recipe else f" --name {shlex.quote(free)}"
        return (
            f"pathoai label {place} --method annotations --read-regions{author} --slides {slides}",
            f"pathoai train {place} --recipe {shlex.quote(recipe)} --label {self.label}{name}",
        )


def _free_name(study: Study, recipe: str) -> str:
    """The recipe's, or with a number: a finished model is not replaced by the next."""
    later = (f"{recipe}-{number}" for number in count(2))
    return next(n for n in chain([recipe], later) if not study.model_path(n).exists())


def next_training(study: Study, journal: Journal, *, author: str = "") -> NextTraining:
    """Gather it.

    Args:
        study: The study.
        journal: Of the study.
        author: Only what this code read; all readers where empty.
    """
    read = read_regions(journal, author=author)
    choice = AnnotationChoice(author, read_regions=True)
    rows = [row.slide_id for row in study.cohort if row.slide_id in read]
    return NextTraining(tuple(_learnt(journal, one, read[one], choice) for one in rows), author)


def _learnt(
    journal: Journal, slide_id: str, regions: tuple[Region, ...], choice: AnnotationChoice
) -> LearntSlide:
    of_record = slide_record(journal, slide_id).ids
    inside = {a.id: a for a in _inside(journal, slide_id, regions)}.values()
    learnt = [a.label for a in inside if choice.admits(a, of_record)]
    counts, undecided = Counter(learnt), len(inside) - len(learnt)
    return LearntSlide(slide_id, regions, dict(counts), undecided)


def _inside(journal: Journal, slide_id: str, regions: Iterable[Region]) -> Iterable[Annotation]:
    standing = frozenset(Status) - {Status.REJECTED}
    for region in regions:
        yield from journal.annotations(slide_id, status=standing, region=region)
