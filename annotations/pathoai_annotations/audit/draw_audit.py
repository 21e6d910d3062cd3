"""Drawing an audit: tiles of a marker's labels, the sheet that shows them, and the queue."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError
from pathoai.ihc.audit_sample import AuditSample, AuditSettings, draw_audit
from pathoai.ihc.saved_audit import save_audit
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.study import Study
from pathoai_annotations.audit.audit_queue import audit_table, tiles_path, write_audit_queue

if TYPE_CHECKING:  # torch is heavy, and needed only once pictures are drawn
    import torch

    from pathoai.ihc.audit_picture import AuditedSlide

SHEET = "sheet.html"


def labelled_slides(
    study: Study, marker: str, slides: Collection[str] | None = None
) -> list[tuple[SlideStore, LabelImage]]:
    """The H&E slides that have a label of a marker, with it, in the order of the cohort.

    Args:
        study: The study.
        marker: Key of the marker.
        slides: Only these, by their codes; all where None.

    Raises:
        StudyError: There is none, or a slide named has none.
    """
    name = f"ihc/{marker}"
    wanted = [study.cohort[slide_id].slide_id for slide_id in slides or ()]
    stores = {
        row.slide_id: SlideStore(path)
        for row in study.cohort
        if (not wanted or row.slide_id in wanted)
        and is_complete(path := study.store_path(row.slide_id))
    }
    found = {slide_id: store for slide_id, store in stores.items() if name in store.labels}
    missing = [slide_id for slide_id in wanted if slide_id not in found]
    if missing or not found:
        raise StudyError(
            "no label of this marker",
            where=", ".join(missing) or study.path.name,
            found=name,
            remedy=f"make it with `pathoai label STUDY --marker {marker}`",
        )
    return [(store, store.label(name)) for store in found.values()]


def draw_study_audit(
    study: Study,
    marker: str,
    settings: AuditSettings,
    *,
    device: torch.device,
    slides: Collection[str] | None = None,
    advance: Advance = silent,
) -> AuditSample:
    """Draw tiles, and write ``audits/<marker>/{tiles.json,sheet.html}`` and the queue.

    Args:
        study: The study.
        marker: Key of the marker.
        settings: How many tiles, and how.
        device: Where restained slides are resampled.
        slides: Only these; all that have the label where None.
        advance: Told of tiles done and tiles in all.

    Raises:
        StudyError: No slide has the label, or nothing of it can be trusted.
        StoreError: A slide or a label is damaged.
        MissingFileError: A registration is not there any more.
    """
    from pathoai.ihc.audit_sheet import audit_sheet

    labelled = labelled_slides(study, marker, slides)
    sample = draw_audit(marker, labelled, settings)
    drawn = {tile.slide_id for tile in sample.tiles}
    shown = {
        store.slide_id: _audited(study, store, label)
        for store, label in labelled
        if store.slide_id in drawn
    }
    classes = labelled[0][1].shown_classes
    classes = tuple(study.ontology[one.key] for one in classes if one.key in study.ontology)
    table = audit_table(study, marker).relative_to(study.path)
    place = shlex.quote(study.path.name)
    sheet = audit_sheet(
        sample,
        shown,
        classes,
        review=f"pathoai review {place} --queue {place}/{table.as_posix()} --reader R1",
        device=device,
        advance=advance,
    )
    save_audit(tiles_path(study, marker), sample)
    write_audit_queue(study, sample)
    write_text_atomically(study.audit_path(marker) / SHEET, sheet)
    return sample


def _audited(study: Study, store: SlideStore, label: LabelImage) -> AuditedSlide:
    from pathoai.ihc.audit_picture import AuditedSlide
    from pathoai.registration.saved_registration import Registration

    moving = label.about["restained_slide"]
    registration = Registration.load(study.registration_path(store.slide_id, moving))
    return AuditedSlide(
        store,
        label,
        store.label(label.name.replace("ihc/", "trust/", 1)),
        SlideStore(study.store_path(moving)),
        registration.transform,
    )
