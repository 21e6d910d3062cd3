"""Groups of DICOM bulk annotations: what one says, and how annotations become groups.

The standard has measurements in single precision for each annotation and a maker for each group,
but no identity, author or status. They lie in a private element of the group (creator ``PATHOAI
ANNOTATIONS``, PS3.5 section 7.8): JSON text of one list per part, an entry per graphic. There are
also the numbers in double precision, which count only where they round to what the standard's
element says.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai.provenance import sha256_of_json
from pathoai.strict_json import parse_json
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_codes as codes
from pathoai_annotations.formats.ann_graphics import Graphic, Hole, graphics_of
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.dicom_slide import dicom_fails, made_uid

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.ann import AnnotationGroup, Measurements
    from pydicom import Dataset

PROBABILITY = ""
"""Its key among the numbers: no measurement has an empty name, so none can be taken for it."""
_PROBABILITY_CODE = ("122157", "DCM", "Probability")
_PRIVATE_GROUP, _PRIVATE_CREATOR, _PRIVATE_ELEMENT = 0x0099, "PATHOAI ANNOTATIONS", 0x01
_METADATA = ("origin", "author", "status", "derived_from")
_OWN = ("id", *_METADATA, "holes", "numbers")


@dataclass(frozen=True)
class GroupContent:
    """What a group says.

    Args:
        class_name: Key of its class, or the file's word for it.
        kind: Its graphic type.
        graphics: ``(N,)`` arrays of points, in what the file counts in.
        numbers: ``(N,)`` float32 by name: the probability and the measurements; NaN for none.
        source: What it was made from, as its algorithm says.
        own: What pathoai wrote beside, ``(N,)`` by name; empty where another program did.
    """

    class_name: str
    kind: str
    graphics: list[NDArray[Any]]
    numbers: Mapping[str, NDArray[np.float32]]
    source: str | None = None
    own: Mapping[str, list[Any]] = field(default_factory=dict)

    def same_annotation(self, one: int, other: int) -> bool:
        """True where two graphics are parts of one annotation."""
        return bool(self.own) and self.own["id"][one] == self.own["id"][other]

    def holes(self, graphic: int) -> list[Hole]:
        """Where the holes of a polygon begin in its ring, and how many points they have."""
        return [(int(start), int(count)) for start, count in self._own("holes", graphic) or ()]

    def identity(self, graphic: int) -> str:
        """The id that pathoai wrote; empty where there is none."""
        return str(self._own("id", graphic) or "")

    def metadata(self, graphic: int) -> dict[str, object]:
        """Who stands behind it, and what it was made from."""
        stated = {name: self._own(name, graphic) for name in _METADATA}
        if not self.own:
            stated["derived_from"] = self.source
        return {name: value for name, value in stated.items() if value is not None}

    def confidence(self, graphic: int) -> float | None:
        """Its probability."""
        return self._number(PROBABILITY, graphic)

    def measurements(self, graphic: int) -> dict[str, float]:
        """Its other numbers."""
        found = {n: self._number(n, graphic) for n in self.numbers if n != PROBABILITY}
        return {name: value for name, value in found.items() if value is not None}

    def _own(self, name: str, graphic: int) -> Any:  # noqa: ANN401 - whatever the JSON holds
        return self.own[name][graphic] if self.own else None

    def _number(self, name: str, graphic: int) -> float | None:
        if name not in self.numbers or np.isnan(self.numbers[name][graphic]):
            return None
        said = self.numbers[name][graphic]
        exact = (self._own("numbers", graphic) or {}).get(name)
        if isinstance(exact, int | float) and np.float32(exact) == said:
            return float(exact)
        return float(said)


def read_group(
    path: Path, dataset: AnnotationGroup, coordinate_type: str, context: ReadingContext
) -> GroupContent:
    """What a group of a file says.

    Args:
        path: The file.
        dataset: The group.
        coordinate_type: ``2D`` or ``3D``.
        context: The classes.

    Raises:
        AnnotationError: It is damaged.
    """
    with dicom_fails(path):
        count, graphics = dataset.number_of_annotations, dataset.get_graphic_data(coordinate_type)
        names, values, units = dataset.get_measurements()
        numbers = {
            _number_name(name, unit): np.asarray(column)
            for name, unit, column in zip(names, units, values.T, strict=True)
        }
        said = codes.class_name(dataset.annotated_property_type, dataset.label, context)
        content = GroupContent(
            said,
            dataset.graphic_type.value,
            list(graphics),
            numbers,
            codes.source_of(dataset.algorithm_identification),
            _private(dataset),
        )
    if len(content.graphics) != count or any(len(v) != count for v in content.own.values()):
        raise AnnotationError(
            "the group has another number of annotations than it says",
            found=len(content.graphics),
            allowed=count,
        )
    return content


def _number_name(name: Any, unit: Any) -> str:  # noqa: ANN401 - highdicom's CodedConcept
    if (str(name.value), str(name.scheme_designator)) == _PROBABILITY_CODE[:2]:
        return PROBABILITY
    return codes.number_name(name, unit)


def _private(dataset: Dataset) -> dict[str, list[Any]]:
    try:
        block = dataset.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR)
    except KeyError:
        return {}
    found = parse_json(block[_PRIVATE_ELEMENT].value, "private element")
    return {name: list(found[name]) for name in _OWN}


@dataclass(frozen=True)
class _Key:
    """What the annotations of one group share."""

    label: str
    kind: str
    made: str
    source: str | None


def written_groups(
    annotations: Iterable[Annotation], context: WritingContext
) -> tuple[str, list[AnnotationGroup]]:
    """Groups of annotations, and a hash of all that they say.

    Args:
        annotations: Of one slide.
        context: The classes, and the corner that coordinates count from.

    Raises:
        OntologyError: The ontology lacks a class.
    """
    placement = context.placement()
    members: dict[_Key, list[tuple[Annotation, Graphic]]] = defaultdict(list)
    for annotation in annotations:
        made = codes.generation(annotation)
        source = None if made == codes.MANUAL else annotation.derived_from
        for graphic in graphics_of(placement.from_level_0(annotation.geometry)):
            members[_Key(annotation.label, graphic.kind, made, source)].append(
                (annotation, graphic)
            )
    groups = [
        _group(number, key, rows, context) for number, (key, rows) in enumerate(members.items(), 1)
    ]
    return sha256_of_json([str(group.AnnotationGroupUID) for group in groups]), groups


def _group(
    number: int, key: _Key, rows: list[tuple[Annotation, Graphic]], context: WritingContext
) -> AnnotationGroup:
    from highdicom.ann import AnnotationGroup

    points = [np.ascontiguousarray(graphic.points) for _, graphic in rows]
    own = json.dumps(_own_part(rows), separators=(",", ":"))
    content = hashlib.sha256(own.encode() + np.concatenate(points).tobytes()).hexdigest()
    label = context.ontology[key.label]
    group = AnnotationGroup(
        number=number,
        uid=made_uid(context.slide_id, "group", key.label, key.kind, content),
        label=label.key[:64],
        annotated_property_category=codes.class_category(label, context.ontology),
        annotated_property_type=codes.class_concept(label),
        graphic_type=key.kind,
        graphic_data=points,
        algorithm_type=key.made,
        algorithm_identification=(
            None if key.made == codes.MANUAL else codes.algorithm(key.source)
        ),
        measurements=_measurements([annotation for annotation, _ in rows]) or None,
        description=label.name,
        display_color=codes.class_colour(label),
    )
    block = group.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR, create=True)
    block.add_new(_PRIVATE_ELEMENT, "UT", own)
    return group


def _numbers(annotation: Annotation) -> dict[str, float]:
    stated = {} if annotation.confidence is None else {PROBABILITY: annotation.confidence}
    return stated | {codes.name_in_dicom(n): v for n, v in annotation.measurements.items()}


def _measurements(annotations: list[Annotation]) -> list[Measurements]:
    from highdicom.ann import Measurements
    from highdicom.sr import CodedConcept

    numbers = [_numbers(annotation) for annotation in annotations]
    unit = CodedConcept("1", "UCUM", "no units")
    return [
        Measurements(
            CodedConcept(*_PROBABILITY_CODE) if name == PROBABILITY else codes.number_concept(name),
            np.array([n.get(name, np.nan) for n in numbers], np.float32),
            unit,
        )
        for name in dict.fromkeys(name for n in numbers for name in n)
    ]


def _own_part(rows: list[tuple[Annotation, Graphic]]) -> dict[str, list[Any]]:
    return {
        "id": [str(a.id) for a, _ in rows],
        "origin": [a.origin.value for a, _ in rows],
        "author": [a.author for a, _ in rows],
        "status": [a.status.value for a, _ in rows],
        "derived_from": [a.derived_from for a, _ in rows],
        "holes": [graphic.holes for _, graphic in rows],
        "numbers": [_numbers(a) for a, _ in rows],
    }
