"""What every catalogue asks of a data set, in the words that all descriptions share."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.tally import READER


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who answers for the data where they are published: an institution, never a person.

    Args:
        name: Of the institution.
        homepage: IRI.
        contact: IRI of a page or a form; no e-mail address, since a package holds none.
        note: What it does, in a sentence.
    """

    name: str
    homepage: str
    contact: str
    note: str


IN_PACKAGE = Publisher(
    "The institution of the study",
    # The landing page says how to reach who passed the package on.
    "index.html",
    "index.html",
    "The institution that holds the study; the catalogue where the package is deposited names it.",
)
"""As a package knows its publisher; ``pathoai package publish`` is told the name."""


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
    return [f"Annotator {code}" for code in readers] or [IN_PACKAGE.name]


def citation(summary: PackageSummary) -> str:
    """How to cite the package, in one line."""
    return (
        f"{', '.join(creators(summary))} ({summary.day.year}). {summary.title} "
        f"(version {summary.version}) [data set]. {IN_PACKAGE.name}. {summary.package_id.urn}"
    )
