"""What is said of a slide as a whole once its regions are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.write_summary import SummaryFiles
    from pathoai.store.objects import ObjectTable
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study


def summarise_regions(
    study: Study,
    store: SlideStore,
    predictor: RegionPredictor,
    table: ObjectTable,
    *,
    has_map: bool,
) -> SummaryFiles:
    """Write counts by region and the report, whoever made the table; the same bytes each time."""
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.inference.region_report import report_on_regions
    from pathoai.inference.summary.known_in_study import known_in_study
    from pathoai.inference.summary.summarise import PredictedSlide
    from pathoai.inference.write_summary import write_summary

    bundle = predictor.bundle
    name = prediction_name(bundle.name)
    slide = PredictedSlide(
        store,
        study.ontology,
        dict(zip(bundle.classes, bundle.class_indices(study.ontology), strict=True)),
        table.source,
        study.objects_path(store.slide_id, name),
        store.label(name) if has_map else None,
        **known_in_study(study, store, bundle),
    )
    return write_summary(slide, report_on_regions(store, predictor, table))
