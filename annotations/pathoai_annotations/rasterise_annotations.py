"""The journal's annotations become a label of the store, ready for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_json
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.vector.rasterise import rasterise
from pathoai_annotations.annotation import OF_RECORD, Annotation, Origin, Status
from pathoai_annotations.assessed_pixels import AssessedPixels


@dataclass(frozen=True, slots=True)
class AnnotationChoice:
    """Which annotations become a label.

    Args:
        author: Only those that this code last changed; all authors where empty.
        with_proposals: Also those that no pathologist has judged, or whose reader has not signed
            the slide off.
        exhaustive: Tissue without an outline is background. Otherwise it is unknown (255) and
            ignored in training: what nobody outlined is not negative.
        unsigned: Also those that their reader stands behind but has not signed off.
        read_regions: What was read region by region counts, and nothing else: within these regions
            whatever has no outline is background, outside of them all is unknown.

    Raises:
        InvalidValueError: Both all tissue and regions are to be assessed.
    """

    author: str = ""
    with_proposals: bool = False
    exhaustive: bool = False
    unsigned: bool = False
    read_regions: bool = False

    def __post_init__(self) -> None:
        """Refuse a contradiction."""
        if self.exhaustive and self.read_regions:
            raise InvalidValueError(
                "either all tissue was assessed, or what was read region by region",
                where="--exhaustive and --read-regions",
                remedy="say one of them",
            )

    @property
    def name(self) -> str:
        """The label's name."""
        return f"annotation/{self.author or 'all'}{'.read' if self.read_regions else ''}"

    def admits(self, annotation: Annotation, of_record: Collection[str]) -> bool:
        """True for an annotation that belongs in the label.

        Args:
            annotation: Which.
            of_record: Ids of those that are signed off, see `pathoai_annotations.record`.
        """
        if self.author not in ("", annotation.author):
            return False
        if annotation.status is Status.PROPOSED:
            return self.with_proposals
        takes_all = self.unsigned or self.with_proposals
        return annotation.status in OF_RECORD and (takes_all or str(annotation.id) in of_record)


def rasterise_annotations(
    store: SlideStore,
    annotations: list[Annotation],
    ontology: Ontology,
    choice: AnnotationChoice,
    *,
    of_record: Collection[str] = frozenset(),
    regions: Sequence[Region] = (),
    advance: Advance = silent,
) -> LabelImage:
    """Paint annotations into the store; small outlines lie over large ones.

    Args:
        store: The slide's store.
        annotations: Of this slide.
        ontology: Their classes.
        choice: Which of them.
        of_record: Ids of those that are signed off.
        regions: That were read, level-0 pixels; they count where the choice says so.
        advance: Told of shards done and shards in all.

    Returns:
        The label ``annotation/<author>``, or ``annotation/<author>.read`` of read regions.

    Raises:
        AnnotationError: None of them belongs in the label, and no region was read.
        OntologyError: The ontology lacks the class of one; an older label is kept.
    """
    chosen = [a for a in annotations if choice.admits(a, of_record)]
    read = tuple(regions) if choice.read_regions else None
    _refuse_nothing(store, annotations, chosen, read)
    undecided = [a.geometry for a in annotations if _is_undecided(a, choice, of_record)]
    assessed = AssessedPixels(store, choice.exhaustive, read, undecided)
    about = _about(chosen, ontology, choice, store, of_record) | assessed.about
    if not is_label_complete(store.path, choice.name, about):
        recipe = LabelRecipe(choice.name, ontology.classes[1:], about, with_instances=True)
        with locked(store.path):
            writer = LabelWriter(store.path, store.header, recipe)
            _write(assessed, writer, chosen, ontology, advance)
    return store.label(choice.name)


def _is_undecided(
    annotation: Annotation, choice: AnnotationChoice, of_record: Collection[str]
) -> bool:
    """Neither in the label nor rejected: a proposal, another reader's, or not signed off."""
    is_admitted = choice.admits(annotation, of_record)
    return annotation.status is not Status.REJECTED and not is_admitted


def _refuse_nothing(
    store: SlideStore,
    annotations: list[Annotation],
    chosen: list[Annotation],
    read: tuple[Region, ...] | None,
) -> None:
    if read == ():
        raise AnnotationError(
            "no region of the slide was read and accepted or corrected",
            where=store.slide_id,
            remedy="review regions in `pathoai review`, or leave --read-regions out",
        )
    if not chosen and read is None:
        raise AnnotationError(
            "no annotation to make a label of",
            where=store.slide_id,
            found=f"{len(annotations)} annotations, none of the wanted author and signed off",
            remedy="validate some and sign the slide off by `pathoai readers sign-off`, or say "
            "--unsigned or --with-proposals",
        )


def _about(
    chosen: list[Annotation],
    ontology: Ontology,
    choice: AnnotationChoice,
    store: SlideStore,
    of_record: Collection[str],
) -> dict[str, Any]:
    unsigned = sum(a.status in OF_RECORD and str(a.id) not in of_record for a in chosen)
    statuses = Counter(a.status.value for a in chosen)
    origins = Counter(a.origin.value for a in chosen)
    content = sorted(
        (str(a.id), a.label, ontology[a.label].index, a.status.value, a.geometry.wkt)
        for a in chosen
    )
    return {
        # Of regions in which a reader found nothing, his reading is all that there is.
        "origin": "+".join(sorted(origins)) or Origin.PATHOLOGIST.value,
        "status": "+".join(sorted(statuses)) or Status.VALIDATED.value,
        "method": "annotations",
        "description": f"{len(chosen)} annotations, "
        + (", ".join(f"{n} {s}" for s, n in sorted(statuses.items())) or "none needed")
        + (f", {unsigned} of them not signed off" if unsigned else ""),
        "exhaustive": choice.exhaustive,
        "annotations_sha256": sha256_of_json(content),
        "store_sha256": store.identity,
    } | ({"unsigned": unsigned} if unsigned else {})


def _write(
    assessed: AssessedPixels,
    writer: LabelWriter,
    chosen: list[Annotation],
    ontology: Ontology,
    advance: Advance,
) -> None:
    import shapely

    chosen = sorted(chosen, key=lambda a: (-a.geometry.area, str(a.id)))
    tree = shapely.STRtree([a.geometry for a in chosen])
    shape, grid = writer.class_map.array.shape, assessed.store.grid()
    shards = list(shards_of(shape))
    for done, shard in enumerate(shards, start=1):
        rows, columns = shard_slices(shard, shape)
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        region = grid.region(columns.start, rows.start, size.width, size.height)
        box = shapely.box(region.x, region.y, region.right, region.bottom)
        here = sorted(tree.query(box).tolist())
        at = (columns.start, rows.start)
        values = [(chosen[i].geometry, ontology[chosen[i].label].index) for i in here]
        painted = rasterise(values, grid, origin_px=at, size_px=size, fill=NOT_ASSESSED)
        # Numbered in the order of painting, so that both planes show the same outline on top.
        numbers = [(chosen[i].geometry, i + 1) for i in here]
        ids = rasterise(numbers, grid, origin_px=at, size_px=size, fill=np.uint32(0))
        writer.instance.write(shard, assessed.numbers(ids, rows, columns))
        writer.class_map.write(shard, assessed.classes(painted, rows, columns))
        advance(done, len(shards))
    writer.finish()
