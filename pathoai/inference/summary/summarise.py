"""From a store, a prediction and its objects to all that is said of the slide as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.inference.regions import Regions
from pathoai.inference.summary.class_map import ClassMap
from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.findings import Evidence, findings
from pathoai.inference.summary.lesion_grades import lesion_grades
from pathoai.inference.summary.object_counts import count_objects
from pathoai.inference.summary.places import Places, asks_for_cells
from pathoai.inference.summary.region_areas import measure_regions
from pathoai.inference.summary.region_table import region_rows, write_region_table
from pathoai.inference.summary.told_classes import ToldClasses
from pathoai.ontology import Ontology
from pathoai.provenance import result_software
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore


@dataclass(frozen=True)
class PredictedSlide:
    """A finished prediction.

    Args:
        store: The slide's.
        ontology: What its classes mean, and what is said by them.
        classes: Values of the model's classes by their keys, without background.
        about: What the prediction says of itself: model, hashes.
        objects: Its table of objects.
        label: Its class map; None where the model made none.
        annotated: Areas that people outlined; None where there are none, or no study.
        stain: How the slide was stained, e.g. ``HE`` or ``Ki-67``; None where nobody said.
    """

    store: SlideStore
    ontology: Ontology
    classes: Mapping[str, int]
    about: Mapping[str, Any]
    objects: Path
    label: LabelImage | None = None
    annotated: Regions | None = None
    stain: str | None = None

    @classmethod
    def of_label(
        cls,
        store: SlideStore,
        ontology: Ontology,
        label: LabelImage,
        objects: Path,
        *,
        annotated: Regions | None = None,
        stain: str | None = None,
    ) -> PredictedSlide:
        """Of a model that made a class map, which says what its classes are."""
        classes, about = label.classes, label.about
        return cls(store, ontology, classes, about, objects, label, annotated, stain)


@dataclass(frozen=True)
class SlideSummary:
    """What is said of a slide as a whole.

    Args:
        rows: A row per region.
        said: ``findings``, ``left_out`` and, of ordinal classes, ``grades``.
        identity: Slide, model, hashes and versions, as columns.
        annotations: Where the annotated areas come from; None where there are none.
    """

    rows: list[dict[str, Any]]
    said: dict[str, Any]
    identity: Mapping[str, str]
    annotations: Mapping[str, Any] | None = None

    def to_report(self) -> dict[str, Any]:
        """Keys of a slide's report: ``regions``, ``annotated_areas`` and ``summary``."""
        areas = None if self.annotations is None else dict(self.annotations)
        return {"regions": self.rows, "annotated_areas": areas, "summary": self.said}

    def write_table(self, path: Path) -> None:
        """Write the regions as CSV; an old file stays until the new one is whole."""
        write_region_table(path, self.rows, self.identity)


def region_table_path(objects: Path) -> Path:
    """Where the table of regions lies: ``prediction.<model>.regions.csv`` beside the objects."""
    # Not with_suffix: names of models may hold dots.
    return objects.with_name(f"{objects.name.removesuffix('.parquet')}.regions.csv")


def summarise(slide: PredictedSlide) -> SlideSummary:
    """Count and measure; the same store, tables and software give the same numbers.

    Memory is that of the tissue mask and of cells of 16 µm, whatever the number of objects.

    Args:
        slide: The prediction.

    Raises:
        StoreError: The table of objects, the mask or the map is missing or damaged.
    """
    told = ToldClasses(slide.ontology, slide.classes)
    class_map = ClassMap.of(slide.store, slide.label)
    regions = CountedRegions.of(slide.store, slide.annotated)
    has_map = slide.label is not None
    cell_values = tuple(slide.classes.values()) if has_map and asks_for_cells(told) else ()
    areas = measure_regions(class_map, regions, cell_values)
    places = None if areas.cells is None else Places(told, areas.cells)
    counts = count_objects(slide.objects, regions, places)
    said, left_out = findings(Evidence(told, areas, places, counts, has_map, slide.stain))
    ontology = f"{slide.ontology.key} {slide.ontology.version}"
    summary: dict[str, Any] = {"rules": ontology, "findings": said, "left_out": left_out}
    grades = lesion_grades(told, areas) if has_map else None
    if grades is not None:
        summary["grades"] = grades
    return SlideSummary(
        region_rows(regions, areas, counts, slide.classes, has_map=has_map),
        summary,
        _identity(slide),
        None if slide.annotated is None else slide.annotated.about,
    )


def _identity(slide: PredictedSlide) -> dict[str, str]:
    about = slide.about
    return {
        "slide_id": slide.store.slide_id,
        "model": str(about.get("model", "")),
        "model_sha256": str(about.get("model_sha256", "")),
        "store_sha256": slide.store.identity,
        **result_software(),
    }
