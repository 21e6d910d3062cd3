"""What a study knows of a slide besides its store: outlined areas, and the stain."""

from __future__ import annotations

from typing import Any

from pathoai import entry_points
from pathoai.inference.regions import GROUP, RegionSource
from pathoai.inference.summary.summarise import PredictedSlide
from pathoai.models.bundle import ModelBundle
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study

_AREAS = "areas"


def known_in_study(study: Study | None, store: SlideStore, bundle: ModelBundle) -> dict[str, Any]:
    """Arguments of a :class:`PredictedSlide` that need a study.

    Args:
        study: Its journal, which lies above the core, is asked through the region source ``areas``;
            None for a store that stands alone, of which nothing more is known.
        store: The slide's.
        bundle: Of the model.

    Raises:
        AnnotationError: The journal cannot be read.
    """
    if study is None:
        return {}
    annotated = None
    if study.journal_path.is_file():
        areas: RegionSource = entry_points.load(GROUP, _AREAS)
        found = areas(study, store, bundle)
        # A journal without areas must say what no journal says: nothing changes until there is one.
        annotated = found if len(found) else None
    return {"annotated": annotated, "stain": study.cohort[store.slide_id].stain}


def predicted_in_study(
    study: Study, store: SlideStore, bundle: ModelBundle, label: LabelImage
) -> PredictedSlide:
    """A finished class map with its objects, and what the study knows; raises as above."""
    objects = study.objects_path(store.slide_id, label.name)
    known = known_in_study(study, store, bundle)
    return PredictedSlide.of_label(store, study.ontology, label, objects, **known)
