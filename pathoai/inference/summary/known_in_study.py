"""What a study knows of a slide besides its store: outlined areas, and the stain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pathoai import entry_points
from pathoai.inference.regions import AREAS, GROUP, Regions, RegionSource
from pathoai.inference.summary.summarise import PredictedSlide
from pathoai.models.bundle import ModelBundle
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace
from pathoai.study.study import Study


@dataclass(frozen=True)
class KnownInStudy:
    """Of a store that stands alone nothing more is known.

    Args:
        annotated: Areas that people outlined; None where there are none.
        stain: How the slide was stained; None where nobody said.
    """

    annotated: Regions | None = None
    stain: str | None = None

    @property
    def about(self) -> dict[str, Any]:
        """What a summary rests on, ready for JSON."""
        areas = None if self.annotated is None else self.annotated.about["sha256"]
        return {"areas_sha256": areas, "stain": self.stain}


def known_in_study(place: SlidePlace, store: SlideStore, bundle: ModelBundle) -> KnownInStudy:
    """Ask the study of a slide, if it is in one.

    Args:
        place: The study's journal, which lies above the core, is asked through the region source
            ``areas``.
        store: The slide's.
        bundle: Of the model.

    Raises:
        AnnotationError: The journal cannot be read.
    """
    if place.study_path is None:
        return KnownInStudy()
    study = Study(place.study_path)
    stain = study.cohort[store.slide_id].stain
    if not study.has_journal:
        return KnownInStudy(stain=stain)
    areas: RegionSource = entry_points.load(GROUP, AREAS)
    found = areas(place, store, bundle)
    # A journal without areas must say what no journal says: nothing changes until there is one.
    return KnownInStudy(found if len(found) else None, stain)


def predicted_slide(
    place: SlidePlace, store: SlideStore, label: LabelImage, known: KnownInStudy
) -> PredictedSlide:
    """A finished class map with its objects, and what the study knows."""
    return PredictedSlide.of_label(
        store,
        place.ontology,
        label,
        place.objects_path(label.name),
        annotated=known.annotated,
        stain=known.stain,
    )
