"""The journal's annotations become a label of the store, ready for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED, Ontology
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_json
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.vector.rasterise import rasterise
from pathoai_annotations.annotation import OF_RECORD, Annotation, Status


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
    """

    author: str = ""
    with_proposals: bool = False
    exhaustive: bool = False
    unsigned: bool = False

    @property
    def name(self) -> str:
        """The label's name."""
        return f"annotation/{self.author or 'all'}"

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
    advance: Advance = silent,
) -> LabelImage:
    """Paint annotations into the store; small outlines lie over large ones.

    Args:
        store: The slide's store.
        annotations: Of this slide.
        ontology: Their classes.
        choice: Which of them.
        of_record: Ids of those that are signed off.
        advance: Told of shards done and shards in all.

    Returns:
        The label ``annotation/<author>``.

    Raises:
        AnnotationError: None of them belongs in the label.
        OntologyError: The ontology lacks the class of one; an older label is kept.
    """
    chosen = [a for a in annotations if choice.admits(a, of_record)]
    if not chosen:
        raise AnnotationError(
            "no annotation to make a label of",
            where=store.slide_id,
            found=f"{len(annotations)} annotations, none of the wanted author and signed off",
            remedy="validate some and sign the slide off by `pathoai readers sign-off`, or say "
            "--unsigned or --with-proposals",
        )
    about = _about(chosen, ontology, choice, store, of_record)
    if not is_label_complete(store.path, choice.name, about):
        recipe = LabelRecipe(choice.name, ontology.classes[1:], about, with_instances=True)
        with locked(store.path):
            writer = LabelWriter(store.path, store.header, recipe)
            _write(store, writer, chosen, ontology, advance)
    return store.label(choice.name)


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
        "origin": "+".join(sorted(origins)),
        "status": "+".join(sorted(statuses)),
        "method": "annotations",
        "description": f"{len(chosen)} annotations, "
        + ", ".join(f"{n} {s}" for s, n in sorted(statuses.items()))
        + (f", {unsigned} of them not signed off" if unsigned else ""),
        "exhaustive": choice.exhaustive,
        "annotations_sha256": sha256_of_json(content),
        "store_sha256": store.identity,
    } | ({"unsigned": unsigned} if unsigned else {})


def _write(
    store: SlideStore,
    writer: LabelWriter,
    chosen: list[Annotation],
    ontology: Ontology,
    advance: Advance,
) -> None:
    import shapely

    chosen = sorted(chosen, key=lambda a: (-a.geometry.area, str(a.id)))
    tree = shapely.STRtree([a.geometry for a in chosen])
    exhaustive = bool(writer.about["exhaustive"])
    shape, grid = writer.class_map.array.shape, store.grid()
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
        if exhaustive:
            painted = _fill_tissue(store, painted, rows, columns)
        # Numbered in the order of painting, so that both planes show the same outline on top.
        numbers = [(chosen[i].geometry, i + 1) for i in here]
        ids = rasterise(numbers, grid, origin_px=at, size_px=size, fill=np.uint32(0))
        writer.instance.write(shard, ids)
        writer.class_map.write(shard, painted)
        advance(done, len(shards))
    writer.finish()


def _fill_tissue(
    store: SlideStore, painted: NDArray[np.uint8], rows: slice, columns: slice
) -> NDArray[np.uint8]:
    on_tissue = store.tissue.on_grid(store.grid(), rows, columns)
    unknown = (painted == NOT_ASSESSED) & on_tissue
    return np.where(unknown, np.uint8(BACKGROUND_INDEX), painted)
