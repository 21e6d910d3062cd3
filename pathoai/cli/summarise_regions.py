"""What is said of a slide as a whole once its regions are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.summary.known_in_study import KnownInStudy
    from pathoai.inference.write_summary import SummaryFiles
    from pathoai.store.objects import ObjectTable
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.slide_place import SlidePlace


def summarise_regions(
    place: SlidePlace,
    store: SlideStore,
    predictor: RegionPredictor,
    table: ObjectTable,
    known: KnownInStudy,
) -> SummaryFiles:
    """Write counts by region and the report, whoever made the table; the same bytes each time."""
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.inference.region_report import report_on_regions
    from pathoai.inference.summary.summarise import PredictedSlide
    from pathoai.inference.write_summary import write_summary
    from pathoai.store.label_image import is_label_complete

    bundle, ontology = predictor.bundle, place.ontology
    name = prediction_name(bundle.name)
    has_map = is_label_complete(store.path, name, table.source)
    slide = PredictedSlide(
        store,
        ontology,
        dict(zip(bundle.classes, bundle.class_indices(ontology), strict=True)),
        table.source,
        place.objects_path(name),
        store.label(name) if has_map else None,
        annotated=known.annotated,
        stain=known.stain,
    )
    return write_summary(slide, report_on_regions(store, predictor, table))
