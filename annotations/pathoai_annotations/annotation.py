"""What an annotation is: an outline with a class, and who stands behind it."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.privacy.pseudonym import is_code

_AUTHOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_SOURCE = re.compile(r"[a-z_]+:[\w./:@+ -]{1,250}")
_LONGEST_NAME = 200
_NAMESPACE = uuid.UUID("5b0ce1f4-7bd6-5a0c-9d3c-3a5d7f0c9a41")


class Origin(StrEnum):
    """Where an outline was first drawn."""

    PATHOLOGIST = "pathologist"
    MODEL = "model"
    IHC = "ihc"
    IMPORT = "import"


class Status(StrEnum):
    """What a pathologist said of it; a proposal is nothing that anybody stands behind."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    CORRECTED = "corrected"
    REJECTED = "rejected"


OF_RECORD = frozenset({Status.VALIDATED, Status.CORRECTED})
"""What a pathologist stands behind; of record once its slide is signed off, see record.py."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An outline on a slide.

    Args:
        id: Its identity through all edits, exports and imports.
        slide_id: Code of the slide.
        label: Key of its class in the study's ontology.
        geometry: Point, polygon or multi-polygon, with holes, in level-0 pixels.
        origin: Where it was first drawn.
        author: Code of who last changed it; never a name.
        status: What a pathologist said of it.
        confidence: Probability that a model gave it, 0 to 1.
        derived_from: What it was made from, e.g. ``model:<name>@<sha256>``.
        measurements: Numbers that a program gave of it, by name; ``confidence`` is not among them.

    Raises:
        AnnotationError: A part is malformed.
    """

    id: uuid.UUID
    slide_id: str
    label: str
    geometry: BaseGeometry
    origin: Origin
    author: str
    status: Status = Status.PROPOSED
    confidence: float | None = None
    derived_from: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what could not be shown, stored or trusted."""
        if not is_code(self.slide_id):
            raise AnnotationError(
                "an annotation names its slide by code",
                where=str(self.id),
                found=f"{len(self.slide_id)} characters",  # a file's name may hold a patient's
                allowed="a slide_id of cohort.csv",
            )
        check_author(self.author)
        _check_geometry(self.geometry, self.id)
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise AnnotationError(
                "confidence", where=str(self.id), found=self.confidence, allowed="0 to 1"
            )
        _check_measurements(self.measurements, self.id)
        if self.derived_from is not None and not _SOURCE.fullmatch(self.derived_from):
            raise AnnotationError(
                "malformed source of an annotation",
                where=str(self.id),
                found=f"{len(self.derived_from)} characters",
                allowed="model:<name>@<sha256>, annotation:<uuid> or method:<name>",
            )


def check_author(author: str) -> None:
    """Refuse anything but a short code, so that no name or e-mail address enters a study.

    Raises:
        AnnotationError: It is none.
    """
    if not _AUTHOR.fullmatch(author):
        raise AnnotationError(
            "authors are short codes, never names or e-mail addresses",
            where="author",
            found=f"{len(author)} characters",
            allowed="1 to 32 letters, digits, - or _, e.g. R1",
        )


def deterministic_id(*parts: str) -> uuid.UUID:
    """The same id for the same parts, so that repeating an import repeats no annotation."""
    return uuid.uuid5(_NAMESPACE, "\0".join(parts))


def _check_measurements(measurements: Mapping[str, float], where: object) -> None:
    bad = [name for name, value in measurements.items() if not math.isfinite(value)]
    if bad or any(not 0 < len(name) <= _LONGEST_NAME for name in measurements):
        raise AnnotationError(
            "malformed measurement",
            where=where,
            found=bad[0] if bad else "a name of another length",
            allowed=f"finite numbers by names of 1 to {_LONGEST_NAME} characters",
        )


def _check_geometry(geometry: BaseGeometry, where: object) -> None:
    kinds = ("Point", "MultiPoint", "Polygon", "MultiPolygon", "LineString")
    if geometry.geom_type not in kinds:
        raise AnnotationError(
            "unsupported geometry", where=where, found=geometry.geom_type, allowed=", ".join(kinds)
        )
    if geometry.is_empty or not geometry.is_valid:
        raise AnnotationError(
            "the outline is empty or crosses itself",
            where=where,
            found=shapely.is_valid_reason(geometry),
            remedy="draw it again without crossing lines",
        )
