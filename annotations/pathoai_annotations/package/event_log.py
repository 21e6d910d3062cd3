"""The edits that led to a slide's annotations, one JSON object a line (JSON Lines)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely

from pathoai.errors import AnnotationError, PackageError
from pathoai.strict_json import read_json_lines
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.geojson_geometry import parsed_geometry
from pathoai_annotations.journal.event import Event, Operation

State = dict[str, Any]
"""What an annotation is after an edit, in the words of the log."""

_ABOUT_THE_EDIT = frozenset(
    {"seq", "event_id", "at", "author", "tool", "operation", "annotation_id"}
)

_TEXTS = tuple(sorted(_ABOUT_THE_EDIT - {"seq"} | {"label", "origin", "status"}))


def state_of(annotation: Annotation) -> State:
    """An annotation in the words of the log, all but its outline."""
    return {
        "label": annotation.label,
        "origin": annotation.origin.value,
        "status": annotation.status.value,
        "confidence": annotation.confidence,
        "derived_from": annotation.derived_from,
    }


def write_event_log(path: Path, events: Iterable[Event]) -> None:
    """Write edits, oldest first; an outline is written where it is new, not where it stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    last: dict[uuid.UUID, Annotation] = {}
    with path.open("w", newline="", encoding="utf8") as file:
        for event in events:
            before = last.get(event.state.id)
            file.write(json.dumps(_record(event, before), sort_keys=True, allow_nan=False) + "\n")
            last[event.state.id] = event.state


def _record(event: Event, before: Annotation | None) -> dict[str, Any]:
    geometry = event.state.geometry
    is_new = before is None or before.geometry != geometry
    outline = {"geometry": shapely.geometry.mapping(geometry)} if is_new else {}
    return {
        **state_of(event.state),
        **outline,
        "seq": event.seq,
        "event_id": str(event.event_id),
        "at": event.at,
        "author": event.author,
        "tool": event.tool,
        "operation": event.operation,
        "annotation_id": str(event.state.id),
    }


def read_event_log(
    path: Path, slide_id: str, measurements: Mapping[uuid.UUID, Mapping[str, float]]
) -> Iterator[Event]:
    """The edits of a log, oldest first, as a journal holds them.

    Args:
        path: The file.
        slide_id: Code of the slide.
        measurements: Of each annotation, which the log does not repeat.

    Raises:
        PackageError: It is absent, or a line is malformed.
    """
    last: dict[uuid.UUID, Annotation] = {}
    try:
        for record in map(_checked, read_json_lines(path)):
            identity = uuid.UUID(record["annotation_id"])
            state = _annotation(record, slide_id, last.get(identity))
            state = replace(state, measurements=measurements.get(identity, {}))
            last[identity] = state
            yield _event(record, state)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AnnotationError) as error:
        raise PackageError(
            "the log of edits cannot be read", where=path.name, found=repr(error)
        ) from error


def _checked(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A line whose values have the types that were written: others would be compared and stored."""
    is_sound = (
        type(record["seq"]) is int
        and all(isinstance(record[name], str) for name in _TEXTS)
        and isinstance(record["derived_from"], str | None)
        and (record["confidence"] is None or type(record["confidence"]) in (int, float))
    )
    if not is_sound:
        raise TypeError("a value is of another type than an edit has")
    return dict(record)


def _annotation(record: Mapping[str, Any], slide_id: str, before: Annotation | None) -> Annotation:
    if "geometry" in record:
        geometry = parsed_geometry(record["geometry"], "", ExchangeReport(""))
    elif before is not None:
        geometry = before.geometry
    else:
        raise ValueError("an annotation without an outline")
    return Annotation(
        uuid.UUID(record["annotation_id"]),
        slide_id,
        record["label"],
        geometry,
        Origin(record["origin"]),
        record["author"],
        Status(record["status"]),
        record["confidence"],
        record["derived_from"],
    )


def _event(record: Mapping[str, Any], state: Annotation) -> Event:
    return Event(
        record["seq"],
        record["at"],
        record["author"],
        record["tool"],
        Operation(record["operation"]),
        state,
        state.slide_id,
        state.id,
        uuid.UUID(record["event_id"]),
        record["at"],
        stands=True,
    )


class EventLog:
    """A log read back.

    Args:
        path: The file.

    Raises:
        PackageError: It is absent, a line is malformed, or the order of the edits is broken.
    """

    def __init__(self, path: Path) -> None:
        """Replay all edits."""
        self.states: dict[str, State] = {}
        """Annotation id → its state after its last edit."""
        self.authors: dict[str, str] = {}
        """Annotation id → code of who edited it last."""
        self.editors: list[str] = []
        """Code behind each edit, oldest first."""
        self.ended = ""
        """Time of the last edit."""
        self._last_seq = 0
        try:
            for number, record in enumerate(map(_checked, read_json_lines(path)), start=1):
                self._replay(record, number, path.name)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackageError(
                "the log of edits cannot be read", where=path.name, found=repr(error)
            ) from error

    def _replay(self, record: dict[str, Any], number: int, name: str) -> None:
        if record["seq"] <= self._last_seq:
            raise PackageError(f"edit {number} is out of order", where=name)
        self._last_seq, self.ended = record["seq"], str(record["at"])
        annotation_id = record["annotation_id"]
        state = {k: v for k, v in record.items() if k not in _ABOUT_THE_EDIT}
        self.states[annotation_id] = self.states.get(annotation_id, {}) | state
        self.authors[annotation_id] = record["author"]
        self.editors.append(str(record["author"]))
