"""What every catalogue asks of a data set, in the words that all descriptions share."""

from __future__ import annotations

from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.tally import READER


def keywords(summary: PackageSummary) -> list[str]:
    """What the package is found by: its field, its stains, its organ."""
    stains = sorted({slide.stain for slide in summary.slides if slide.stain})
    return [
        "digital pathology",
        "whole-slide imaging",
        "annotation",
        "histology",
        summary.ontology.title,
        *stains,
    ]


def creators(summary: PackageSummary) -> list[str]:
    """Who stands behind the annotations, by code; the institution where nobody does."""
    readers = [row["code"] for row in summary.counts.annotators if row["kind"] == READER]
    return [f"Annotator {code}" for code in readers] or [summary.terms.publisher.name]


def citation(summary: PackageSummary) -> str:
    """How to cite the package, in one line."""
    return (
        f"{', '.join(creators(summary))} ({summary.day.year}). {summary.title} "
        f"(version {summary.version}) [data set]. {summary.terms.publisher.name}. "
        f"{summary.package_id.urn}"
    )
