"""What the journal of a study offers to learn classes of regions from, looked at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import StudyError
from pathoai.ontology import Ontology
from pathoai.store.region_views import DAMAGED, OFF_SLIDE, place_regions
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotated_regions import OTHER_CLASS
from pathoai_annotations.annotation import OF_RECORD, Status
from pathoai_annotations.journal.columns import AnnotationColumns
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.record import slide_record

NO_STORE, NOT_SIGNED = (
    "on slides without a finished store",
    "whose reader has not signed the slide off",
)
"""Why annotations serve nothing, beside what :mod:`pathoai.store.region_views` names."""


@dataclass(frozen=True, slots=True)
class SlideRegions:
    """The regions of one slide, in columns.

    Args:
        path: Of its store.
        slide_id: Its code.
        identity: Of the store's pixels.
        annotations_sha256: Over identity, class, status and outline of all that were admitted.
        about: How many annotations have each origin, and each status.
        origins_px: ``(N, 2)`` int64: x and y of each region's top left, in pixels of the raster
            that covers the slide at the spec's mpp.
        classes: ``(N,)`` uint8: position of each region's class in the recipe.
        left_out: Reason → how many annotations serve nothing.
        unsigned: How many regions are of annotations that nobody signed off.
    """

    path: Path
    slide_id: str
    identity: str
    annotations_sha256: str
    about: Mapping[str, Counter[str]]
    origins_px: NDArray[np.int64]
    classes: NDArray[np.uint8]
    left_out: Counter[str]
    unsigned: int


@dataclass(frozen=True, slots=True)
class RegionSurvey:
    """The slides that have regions, by slide id, and what serves nothing.

    Args:
        slides: In the order of their codes.
        left_out: Reason → how many annotations of the study.
    """

    slides: tuple[SlideRegions, ...]
    left_out: Counter[str]

    @property
    def about(self) -> dict[str, object]:
        """What the labels are made of, as a label says it."""
        counts = {
            name: sum((slide.about[name] for slide in self.slides), Counter[str]())
            for name in ("origin", "status")
        }
        told = ", ".join(f"{n} {status}" for status, n in sorted(counts["status"].items()))
        found: dict[str, object] = {name: "+".join(sorted(c)) for name, c in counts.items()}
        unsigned = sum(slide.unsigned for slide in self.slides)
        description = f"{told} annotations" + f", {unsigned} not signed off" * (unsigned > 0)
        return found | {"method": "annotations", "description": description}


def survey_regions(
    study: Study,
    classes: tuple[str, ...],
    spec: TileSpec,
    *,
    author: str = "",
    with_proposals: bool = False,
    unsigned: bool = False,
) -> RegionSurvey:
    """Look at every annotation of the journal.

    Args:
        study: The study.
        classes: Finer classes are rolled up into these.
        spec: Size and scale of the regions.
        author: Only annotations that this code last changed; all where empty.
        with_proposals: Also those that no pathologist has judged, or signed off.
        unsigned: Also those whose reader has not signed the slide off.

    Raises:
        StudyError: There is no annotation to learn from.
        OntologyError: A class is unknown.
    """
    admission = _Admission(author, with_proposals, unsigned)
    found, left_out = [], Counter[str]()
    if study.has_journal:
        with Journal.open(study) as journal:
            for slide_id in sorted(row.slide_id for row in study.cohort):
                columns, waits = admission.of(journal, slide_id)
                left_out[NOT_SIGNED] += int((waits & admission.leaves_out).sum())
                keep = ~(waits & admission.leaves_out)
                columns, waits = columns.chosen(keep), waits[keep]
                path = study.store_path(slide_id)
                if is_complete(path):
                    store = SlideStore(path)
                    found.append(_of_slide(store, columns, waits, study.ontology, classes, spec))
                elif len(columns):
                    left_out[NO_STORE] += len(columns)
    left_out = sum((slide.left_out for slide in found), left_out)
    slides = tuple(slide for slide in found if len(slide.classes))
    if not slides:
        raise StudyError(
            "there is no annotation to learn from",
            where="the study's journal",
            found=told(left_out) or "none" + " validated" * (not with_proposals),
            allowed=f"annotations of {', '.join(classes)} on slides with a store",
            remedy="validate some with `pathoai annotations validate` and sign the slides off with "
            "`pathoai readers sign-off`, or learn from the rest: --set data.unsigned=true, or also "
            "data.with_proposals=true",
        )
    return RegionSurvey(slides, left_out)


@dataclass(frozen=True, slots=True)
class _Admission:
    """Which annotations may serve: by their author, and by who stands behind them."""

    author: str
    with_proposals: bool
    unsigned: bool

    @property
    def leaves_out(self) -> bool:
        """Whether what waits for its reader's sign-off serves nothing."""
        return not (self.unsigned or self.with_proposals)

    def of(self, journal: Journal, slide_id: str) -> tuple[AnnotationColumns, NDArray[np.bool_]]:
        """Those of a slide, and which of them wait for a sign-off; proposals do not."""
        admitted = OF_RECORD | ({Status.PROPOSED} if self.with_proposals else frozenset())
        columns = journal.columns(slide_id, status=admitted)
        if self.author:
            columns = columns.chosen(columns.authors == self.author)
        of_record = list(slide_record(journal, slide_id).ids)
        is_judged = columns.statuses != Status.PROPOSED.value
        return columns, is_judged & ~np.isin(columns.ids.astype(str), of_record)


def told(left_out: Mapping[str, int]) -> str:
    """What serves nothing, in a few words; empty where all serves."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()) if count)


def check_every_class(
    regions: Iterable[NDArray[np.uint8]], classes: tuple[str, ...], *, where: str
) -> None:
    """Refuse regions from which not every class can be learnt.

    Args:
        regions: Classes of regions, positions in ``classes``.
        classes: The recipe's.
        where: Which regions, for the message.

    Raises:
        StudyError: A class has none.
    """
    counts = sum((np.bincount(r, minlength=len(classes)) for r in regions), np.zeros(len(classes)))
    if missing := [key for key, count in zip(classes, counts, strict=True) if not count]:
        raise StudyError(
            "the annotations do not show every class that should be told apart",
            where=where,
            found=", ".join(f"{k} {int(n)}" for k, n in zip(classes, counts, strict=True)),
            allowed="one or more of each",
            remedy=f"annotate some {' and '.join(missing)}, or choose others: --set classes=[…]",
        )


def _of_slide(
    store: SlideStore,
    columns: AnnotationColumns,
    waits: NDArray[np.bool_],
    ontology: Ontology,
    classes: tuple[str, ...],
    spec: TileSpec,
) -> SlideRegions:
    position = _positions(columns, ontology, classes)
    placed = place_regions(store, spec, columns.centres)
    named = position > 0
    keep = named & placed.usable
    return SlideRegions(
        store.path,
        store.slide_id,
        store.identity,
        columns.sha256,
        {
            "origin": Counter(columns.origins[keep].tolist()),
            "status": Counter(columns.statuses[keep].tolist()),
        },
        placed.origins_px[keep],
        (position[keep] - 1).astype(np.uint8),
        Counter(
            {
                OTHER_CLASS: int((~named).sum()),
                OFF_SLIDE: int((named & ~placed.on_slide).sum()),
                DAMAGED: int((named & placed.on_slide & ~placed.whole).sum()),
            }
        ),
        int((keep & waits).sum()),
    )


def _positions(
    columns: AnnotationColumns, ontology: Ontology, classes: tuple[str, ...]
) -> NDArray[np.int64]:
    """Position of each annotation's class in the recipe, counted from 1; 0 for others."""
    rolled = ontology.roll_up(classes)
    keys, which = np.unique(columns.labels.astype(str), return_inverse=True)
    places = [rolled[ontology[str(key)].index] for key in keys]
    return np.array([*places, 0], np.int64)[which] if len(which) else np.empty(0, np.int64)
