"""Forms of a slide's annotations that are made from its GeoJSON, which stays the authority.

Masks and DICOM files need the slide's size and scale, which tiling finds out. What a form loses
stands in the loss report (:mod:`~pathoai_annotations.package.loss_report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pathoai.geometry import Mpp, Size
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_slide import has_highdicom, need_highdicom
from pathoai_annotations.package.dicom_parts import write_dicom
from pathoai_annotations.package.loss_report import (
    DICOM_FORMS,
    NO_DICOM,
    NOT_TILED,
    Form,
    Losses,
    derived_name,
    not_written,
)
from pathoai_annotations.package.masks import write_mask
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.slide_frame import SlideFrame


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the derived forms of a slide are made.

    Args:
        frame: Of the slide; None where it was not tiled.
        tier: Of the package.
    """

    frame: SlideFrame | None
    tier: Tier

    @classmethod
    def of(cls, study: Study, slide_id: str, tier: Tier) -> Derivation:
        """That of a slide of a study.

        Raises:
            StoreError: Something that is no store lies in its place.
        """
        from pathoai.store.slide_store import SlideStore, is_complete

        path = study.store_path(slide_id)
        if not is_complete(path):
            return cls(None, tier)
        header = SlideStore(path).header
        mpp = Mpp(header.slide_mpp_x, header.slide_mpp_y)
        return cls(SlideFrame(Size(header.slide_width, header.slide_height), mpp), tier)

    @property
    def settings(self) -> tuple[str, ...]:
        """What shapes derived files beside the annotations and their edits."""
        return repr(self.frame), self.tier.value, str(has_highdicom())

    def context(self, slide_id: str, ontology: Ontology, last_edit: str) -> WritingContext:
        """How all derived files of a slide are written.

        Args:
            slide_id: Code of the slide.
            ontology: The classes.
            last_edit: Time of its last edit, ISO 8601: files bear it, and never the clock's.
        """
        made = datetime.fromisoformat(last_edit).astimezone(UTC).replace(microsecond=0)
        return WritingContext(slide_id, ontology, self.frame, made=made)

    def write(
        self, payload: Path, annotations: Sequence[Annotation], context: WritingContext
    ) -> tuple[tuple[str, ...], Losses]:
        """Write every form that can be made.

        Args:
            payload: The payload's folder.
            annotations: Of one slide, one or more.
            context: As :meth:`context` has it.

        Returns:
            Names of files and stores, and what each form lost.

        Raises:
            MissingDependencyError: highdicom is not installed, and the package leaves the
                institution.
            OSError: The disk is full or read-only.
        """
        if self.frame is None:
            return (), {form: not_written(NOT_TILED) for form in Form}
        losses: Losses = {Form.MASK: write_mask(payload, annotations, context, self.tier)}
        if has_highdicom() or self.tier.is_published:
            need_highdicom()
            losses |= write_dicom(payload, annotations, context, self.tier)
        else:
            losses |= {form: not_written(NO_DICOM) for form in DICOM_FORMS}
        written = (form for form in Form if losses[form]["written"])
        return tuple(derived_name(context.slide_id, form) for form in written), losses
