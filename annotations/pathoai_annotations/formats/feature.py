"""From what a file says of one outline to an annotation: the same rules for every format."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, OntologyError
from pathoai.privacy.pseudonym import is_code
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.check_outline import checked_outline
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from pathoai_annotations.slide_frame import Placement

_Made = TypeVar("_Made")
_LEAVE_OUT = "mend it in the program that wrote it, or say --repair: it is then left out, and told"


@dataclass(frozen=True, slots=True)
class Feature:
    """What a file says of one outline.

    Args:
        where: Its place in the file, for messages, e.g. ``a.geojson feature 3``.
        geometry: In the file's coordinates, y downwards.
        class_name: The file's name for its class.
        identity: Its id in the file.
        confidence: Probability of its class, 0 to 1.
        measurements: Numbers by name; those that are not finite are left out, and said.
        metadata: ``origin``, ``author``, ``status`` and ``derived_from`` where pathoai wrote them.
    """

    where: str
    geometry: BaseGeometry
    class_name: str | None = None
    identity: str = ""
    confidence: float | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)


class FeatureReader:
    """Makes annotations of the features of one file.

    Args:
        context: What the file does not say.
        report: Told of what is not taken over, and of what is repaired.
        placement: How the file's coordinates lie on level 0.
    """

    def __init__(
        self, context: ReadingContext, report: ExchangeReport, placement: Placement
    ) -> None:
        """A reader that has seen no feature yet."""
        self._context, self._report, self._placement = context, report, placement
        self._seen: dict[uuid.UUID, tuple[str, int]] = {}
        _note_bounds(context, report, placement)

    def parsed(self, where: str, parse: Callable[[], Feature]) -> Annotation | None:
        """The annotation of a feature that is still to be parsed; see `annotation`.

        Args:
            where: Its place in the file.
            parse: Gives the feature.

        Raises:
            AnnotationError: It cannot be parsed, or as `annotation` does.
            OntologyError: Its class is unknown.
        """
        feature = self._sound(where, parse)
        return None if feature is None else self.annotation(feature)

    def annotations(self, features: Iterable[Feature]) -> Iterator[Annotation]:
        """Those of features, without what was left out; see `annotation`."""
        for feature in features:
            if (found := self.annotation(feature)) is not None:
                yield found

    def annotation(self, feature: Feature) -> Annotation | None:
        """The annotation of a feature; None where it was left out, which the report then says.

        Raises:
            AnnotationError: The feature is malformed and may not be mended; the message names it.
            OntologyError: Its class is unknown; likewise.
        """
        with naming(feature.where):
            geometry = checked_outline(
                self._placement.to_level_0(self._flat(feature)),
                frame=self._context.frame,
                where=feature.where,
                repair=self._report if self._context.repair else None,
            )
            label = None if geometry is None else self._label(feature)
            if geometry is None or label is None:
                return None
        made = self._sound(feature.where, partial(self._made, feature, label, geometry))
        if made is None:
            return None
        with naming(feature.where):
            return self._once(made, feature.where)

    def _sound(self, where: str, make: Callable[[], _Made]) -> _Made | None:
        """What is made; None where the file says what cannot be, and that may be left out."""
        try:
            with naming(where):
                return make()
        except AnnotationError as error:
            if self._context.repair:
                self._report.mend(f"a feature left out: {error.what}", where)
                return None
            raise AnnotationError(
                error.what,
                where=error.where,
                found=error.found,
                allowed=error.allowed,
                remedy=error.remedy or _LEAVE_OUT,
            ) from error

    def _flat(self, feature: Feature) -> BaseGeometry:
        if feature.geometry.has_z:
            self._report.lose("z coordinates: a slide has none", feature.where)
        return shapely.force_2d(feature.geometry)

    def _made(self, feature: Feature, label: str, geometry: BaseGeometry) -> Annotation:
        context = self._context
        origin, author, status = self._judgement(feature)
        source = feature.metadata.get("derived_from")
        if not isinstance(source, str | None):
            raise AnnotationError("malformed metadata", found=f"derived_from {source}")
        return Annotation(
            _identity(feature.identity, context.slide_id, label, geometry),
            context.slide_id,
            label,
            geometry,
            origin,
            author,
            status,
            feature.confidence,
            source,
            self._measurements(feature),
        )

    def _label(self, feature: Feature) -> str | None:
        name = feature.class_name or self._context.default_label
        if name is None:
            if self._context.repair:
                self._report.mend("a feature without a class, left out", feature.where)
                return None
            raise AnnotationError(
                "a feature without a class",
                remedy="classify it, or name a class for such features with --label",
            )
        try:
            key = self._context.names.key_of(name)
        except OntologyError as error:
            if self._context.repair:
                self._report.mend(f"a feature of unknown class {name!r}, left out", feature.where)
                return None
            nearest = f"{error.remedy} or " if error.remedy else ""
            raise OntologyError(
                error.what,
                found=error.found,
                allowed=error.allowed,
                remedy=f"{nearest}say which class it is with --class FOREIGN=KEY",
            ) from error
        if key != name and name not in self._context.classes:
            self._report.note(f"{name!r} was taken for {key}")
        return key

    def _judgement(self, feature: Feature) -> tuple[Origin, str, Status]:
        """Who stands behind it: the importer, who proposes, unless the file is to be trusted."""
        context, metadata = self._context, feature.metadata
        if context.trust_metadata and "status" in metadata:
            try:
                origin, status = Origin(str(metadata["origin"])), Status(str(metadata["status"]))
                return origin, str(metadata["author"]), status
            except (ValueError, KeyError) as error:
                raise AnnotationError("malformed metadata", found=error) from error
        entered = {
            Part.ORIGIN: context.origin,
            Part.AUTHOR: context.author,
            Part.STATUS: Status.PROPOSED,
        }
        for part, value in entered.items():
            if metadata.get(part, value) != value:
                self._report.lose(part, feature.where)
        return context.origin, context.author, Status.PROPOSED

    def _measurements(self, feature: Feature) -> dict[str, float]:
        kept = {name: v for name, v in feature.measurements.items() if math.isfinite(v)}
        gone = len(feature.measurements) - len(kept)
        if gone:
            self._report.lose("measurements that are no finite number", feature.where, times=gone)
        return kept

    def _once(self, annotation: Annotation, where: str) -> Annotation | None:
        """The same feature twice is one; two features of one id are two, whose ids must differ."""
        content = hash((annotation.label, annotation.geometry.wkb))
        known = self._seen.setdefault(annotation.id, (where, content))
        if known[0] == where:
            return annotation
        if known[1] == content:
            self._report.lose("a feature that is in the file twice", where)
            return None
        if not self._context.repair:
            raise AnnotationError(
                "another feature has the same id",
                found=f"{annotation.id}, which is that of {known[0]} too",
                remedy="say --repair: this one gets an id of its own",
            )
        self._report.mend("an id that another feature has, replaced", where)
        parts = (str(annotation.id), annotation.label, annotation.geometry.wkt)
        return self._once(replace(annotation, id=deterministic_id(*parts)), where)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """An error within names the feature: an id, even where there is one, is hard to find."""
    try:
        yield
    except (AnnotationError, OntologyError) as error:
        raise type(error)(
            error.what,
            where=where,
            found=error.found,
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error


def check_slide_name(named: str, context: ReadingContext, where: str) -> None:
    """Refuse a file about another slide.

    Args:
        named: What the file calls its slide.
        context: What the user says of it.
        where: The file's name, for the message.

    Raises:
        AnnotationError: It is about another one.
    """
    if named not in (context.slide_id, context.known_as):
        raise AnnotationError(
            "the file is about another slide",
            where=where,
            found=named if is_code(named) else "another name",  # it may hold a patient's
            allowed=context.known_as or context.slide_id,
            remedy="choose that slide with --slide, or say with --known-as what the file calls it",
        )


def _identity(raw: str, slide_id: str, label: str, geometry: BaseGeometry) -> uuid.UUID:
    try:
        return uuid.UUID(raw)
    except ValueError:
        return deterministic_id(slide_id, label, raw, geometry.wkt)


def _note_bounds(context: ReadingContext, report: ExchangeReport, placement: Placement) -> None:
    frame = context.frame
    if frame is None or frame.scan_origin == (0.0, 0.0) or placement.shift != (0.0, 0.0):
        return
    x, y = frame.scan_origin
    report.note(
        f"the scanned part of this slide starts at x {x:g}, y {y:g}, and the file was taken to "
        "count from the canvas; if a program wrote it that shows the scanned part alone, as QuPath "
        "does, say --origin bounds"
    )
