"""What a person checks of a marker: positive cells and area, index and score, region by region.

Proposals of a program. They are no diagnosis, and no figure of a report until a doctor has made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_text_atomically
from pathoai.ihc.codes import REPORT_CODES, ReportCodes
from pathoai.ihc.intensity_bins import NAMES, h_score
from pathoai.ihc.stained_nuclei import COUNTED, StainedNuclei
from pathoai.inference.regions import Regions
from pathoai.inference.summary.class_map import ClassMap
from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.region_areas import RegionAreas, measure_regions
from pathoai.inference.summary.region_table import (
    ANNOTATION,
    FRAGMENT,
    TISSUE,
    write_region_table,
)
from pathoai.metrics.wilson_interval import wilson_interval
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.provenance import result_software, sha256_of_json
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore

_DECIMALS = 6
WARNING = (
    "Counts by a program, seen by no pathologist: proposals for a doctor to check, no diagnosis."
)
OF_ALL_NUCLEI = (
    "index and score are of all nuclei of the region, of whatever kind of cell: outline the tumour "
    "and validate the outline to have them of it alone"
)


@dataclass(frozen=True)
class MarkedSlide:
    """A labelled slide, as counts need it.

    Args:
        store: The H&E slide's.
        label: ``ihc/<marker>``.
        trust: ``trust/<marker>``.
        nuclei: Of the restained slide; None of a marker whose cells cannot be counted.
        annotated: Areas that people outlined; None where there are none.
    """

    store: SlideStore
    label: LabelImage
    trust: LabelImage
    nuclei: StainedNuclei | None = None
    annotated: Regions | None = None


@dataclass(frozen=True)
class MarkerCounts:
    """All that was counted on one slide.

    Args:
        marker: Key of the marker.
        rows: One for each region, ready for JSON.
        about: How it was counted.
        identity: Slide, label, hashes and versions.
    """

    marker: str
    rows: list[dict[str, Any]]
    about: Mapping[str, Any]
    identity: Mapping[str, str]

    @property
    def codes(self) -> ReportCodes:
        """Of LOINC; empty where none is known."""
        return REPORT_CODES.get(self.marker, ReportCodes())

    @property
    def words(self) -> str:
        """One line on all tissue."""
        row = self.rows[0]
        share = row["positive_mm2_per_mm2"]
        area = "nothing trusted" if share is None else f"{share:.1%} of the area positive"
        parts = [f"{row['trusted_mm2']:.3f} mm² trusted, {area}"]
        if row.get("index_percent") is not None:
            parts.append(
                f"{row['positive_cells']} of {row['nuclei']} nuclei positive, "
                f"{row['index_percent']:.1f} %"
            )
        if row.get("h_score") is not None:
            parts.append(f"H-score {row['h_score']:.0f}")
        return f"{self.marker}: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        codes = {"result": self.codes.result or None, "index_percent": self.codes.percent or None}
        return {
            "warning": WARNING,
            **self.identity,
            "loinc": codes,
            "about": dict(self.about),
            "regions": self.rows,
        }

    def write(self, csv: Path, report: Path) -> None:
        """Write a table and a JSON file; old ones stay until the new ones are whole."""
        columns = {
            **self.identity,
            "loinc_result": self.codes.result,
            "loinc_index_percent": self.codes.percent,
            "warning": WARNING,
        }
        write_region_table(csv, self.rows, columns)
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        write_text_atomically(report, text + "\n")


def counts_paths(objects: Path) -> tuple[Path, Path]:
    """Where table and JSON of a marker lie: beside the objects of its label."""
    stem = objects.name.removesuffix(".parquet")
    return objects.with_name(f"{stem}.counts.csv"), objects.with_name(f"{stem}.counts.json")


def count_marker(slide: MarkedSlide) -> MarkerCounts:
    """Count a marker in all tissue, in each fragment and in each outlined area.

    Area is that of pixels of the label that are trusted. Nuclei are counted where they are trusted
    or only their stain is in doubt; that area is told beside, and their density is by it.

    Args:
        slide: What was labelled.

    Raises:
        StoreError: A chunk of a label is damaged, or the store has no tissue mask.
    """
    regions = CountedRegions.of(slide.store, slide.annotated)
    positive = measure_regions(ClassMap.of(slide.store, slide.label), regions)
    trust = measure_regions(ClassMap.of(slide.store, slide.trust), regions)
    grades = None if slide.nuclei is None else _grades(slide.nuclei, regions)
    heads = _heads(regions)
    rows = [
        head
        | _areas(positive, trust, own)
        | ({} if grades is None else _cells(grades[at], trust, own[1], _is_graded(slide)))
        for at, (head, own) in enumerate(zip(heads, _pixels(positive, trust), strict=True))
    ]
    about = {} if slide.nuclei is None else {**slide.nuclei.about, "note": OF_ALL_NUCLEI}
    source = slide.label.about
    marker = str(source["marker"])
    identity = {
        "slide_id": slide.store.slide_id,
        "marker": marker,
        "restained_slide": str(source["restained_slide"]),
        "label_sha256": sha256_of_json(slide.label.shards),
        "store_sha256": slide.store.identity,
        **result_software(),
    }
    return MarkerCounts(marker, rows, about, identity)


def _is_graded(slide: MarkedSlide) -> bool:
    return slide.nuclei is not None and "bins_od" in slide.nuclei.about


_Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]


def _pixels(positive: RegionAreas, trust: RegionAreas) -> list[_Pixels]:
    """Pixels by value of both labels: of all tissue, of each fragment, of each outlined area."""
    return [
        (positive.tissue, trust.tissue),
        *zip(positive.fragments[1:], trust.fragments[1:], strict=True),
        *zip(positive.annotated, trust.annotated, strict=True),
    ]


def _heads(regions: CountedRegions) -> list[dict[str, Any]]:
    """What tells regions apart, in the order of their pixels."""
    bounds = regions.fragment_bounds()
    around = [*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)]
    found = [_head((TISSUE, "all", ""), around)]
    found += [_head((FRAGMENT, str(at), ""), box) for at, box in enumerate(bounds, start=1)]
    annotated = regions.annotated
    for at, box in enumerate(regions.annotated_bounds()):
        assert annotated is not None  # it has bounds
        name = str(at + 1) if annotated.ids is None else str(annotated.ids[at])
        label = "" if annotated.labels is None else str(annotated.labels[at])
        found.append(_head((ANNOTATION, name, label), box))
    return found


def _head(names: tuple[str, str, str], box: NDArray[np.float64] | list[Any]) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in box)
    place = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    named: dict[str, Any] = dict(zip(("kind", "region", "class"), names, strict=True))
    return named | {key: round(value, 2) for key, value in place.items()}


def _areas(positive: RegionAreas, trust: RegionAreas, pixels: _Pixels) -> dict[str, Any]:
    of_label, of_trust = pixels
    assessed = int(of_label[:NOT_ASSESSED].sum())
    found = assessed - int(of_label[BACKGROUND_INDEX])
    tissue = int(of_trust[:NOT_ASSESSED].sum())
    return {
        "tissue_mm2": round(tissue * trust.pixel_mm2, _DECIMALS),
        "trusted_mm2": round(assessed * positive.pixel_mm2, _DECIMALS),
        "positive_mm2": round(found * positive.pixel_mm2, _DECIMALS),
        "positive_mm2_per_mm2": round(found / assessed, _DECIMALS) if assessed else None,
    }


def _cells(
    grades: NDArray[np.int64], trust: RegionAreas, of_trust: NDArray[np.int64], graded: bool
) -> dict[str, Any]:
    counted = float(of_trust[list(COUNTED)].sum() * trust.pixel_mm2)
    nuclei, positive = int(grades.sum()), int(grades[1:].sum())
    row: dict[str, Any] = {
        "counted_mm2": round(counted, _DECIMALS),
        "nuclei": nuclei,
        "positive_cells": positive,
        "positive_cells_per_mm2": round(positive / counted, 4) if counted else None,
        "index_percent": round(100 * positive / nuclei, 4) if nuclei else None,
    }
    limits = wilson_interval(positive, nuclei) if nuclei else (None, None)
    names = ("index_low_95", "index_high_95")
    row |= {n: None if v is None else round(100 * v, 4) for n, v in zip(names, limits, strict=True)}
    if graded:
        row |= {f"{name}_nuclei": int(n) for name, n in zip(NAMES, grades, strict=True)}
        row["h_score"] = round(h_score(grades), 4) if nuclei else None
    return row


def _grades(nuclei: StainedNuclei, regions: CountedRegions) -> NDArray[np.int64]:
    """Nuclei by grade ``(1 + F + A, 4)``: in all tissue, each fragment, each outlined area."""
    fragment = regions.fragment_of(nuclei.xy)
    found = np.zeros((regions.fragments + 1, len(NAMES)), np.int64)
    np.add.at(found, (fragment, nuclei.grade), 1)
    annotated = np.zeros((len(regions.outlines), len(NAMES)), np.int64)
    points, areas = regions.annotated_pairs(nuclei.xy)
    on_tissue = fragment[points] > 0
    np.add.at(annotated, (areas[on_tissue], nuclei.grade[points[on_tissue]]), 1)
    return np.concatenate([found[1:].sum(axis=0)[None], found[1:], annotated])
