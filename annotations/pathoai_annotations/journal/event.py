"""One entry of the log: what was done, by whom, when, to what."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.region_reading import Outcome, RegionKind

_NAMESPACE = uuid.UUID("0f6c3d6e-9f0e-5c57-8f44-0a1d7c2b9e35")


class Operation(StrEnum):
    """What can be done; the first six are about an annotation alone."""

    PROPOSE = "propose"
    VALIDATE = "validate"
    CORRECT = "correct"
    REJECT = "reject"
    DELETE = "delete"
    RESTORE = "restore"
    COMMENT = "comment"
    """On an annotation, a slide or a region of one."""
    SIGN_OFF = "sign_off"
    """A reader has read a slide, and perhaps graded it."""
    REOPEN = "reopen"
    """A reader takes his sign-off back: he has not finished yet."""
    ADJUDICATE = "adjudicate"
    """The last word on an annotation, or on the grade of a slide."""
    READ_REGION = "read_region"
    """A reader has read a region of a slide; without an outcome: he takes that back."""
    READING_TIME = "reading_time"
    """Time on a slide that no other entry tells."""
    REDACT = "redact"
    """What was entered here of a slide was erased; the comment is its hash, see redact.py."""


@dataclass(frozen=True, slots=True)
class Event:
    """One edit, sign-off or comment.

    Args:
        seq: Its number in this journal, growing by time.
        at: When this journal took it in, ISO 8601, UTC, milliseconds; it never goes back.
        author: Code of who did it.
        tool: Program and version.
        operation: What was done.
        annotation: Its whole state after the edit; None for comments and what is about a slide.
        slide_id: Code of the slide.
        annotation_id: Which annotation it is about; None where it is about the slide.
        event_id: Its identity in every journal that holds it.
        made_at: When it was made, by the clock of whoever made it: earlier than ``at`` where it was
            merged from another journal.
        stands: True where the annotation is in this state from here on. False for comments, and
            for edits that a merge set aside because the same annotation was edited here.
        seconds: Time that the author spent on it.
        comment: Free text.
        grade: Key of the class that a slide is given.
        with_model: Of a sign-off or a region read: True where the reader saw what a model says.
        action: What its author did in one go, of which it is a part; None of imports and of what
            an older pathoai entered.
        undoes: The action that it takes back, where it is part of an undo.
        redoes: The undo that it takes back, where it is part of a redo.
        region: That was read or commented, level-0 pixels.
        outcome: Of reading it.
        kind: Why the region was shown.
        model: Name of the model whose word was read.
    """

    seq: int
    at: str
    author: str
    tool: str
    operation: Operation
    annotation: Annotation | None
    slide_id: str
    annotation_id: uuid.UUID | None
    event_id: uuid.UUID
    made_at: str
    stands: bool
    seconds: float | None = None
    comment: str | None = None
    grade: str | None = None
    with_model: bool | None = None
    action: uuid.UUID | None = None
    undoes: uuid.UUID | None = None
    redoes: uuid.UUID | None = None
    region: Region | None = None
    outcome: Outcome | None = None
    kind: RegionKind | None = None
    model: str | None = None

    @property
    def state(self) -> Annotation:
        """The annotation after an edit; only for events that have one, such as all that stand."""
        assert self.annotation is not None
        return self.annotation


def proposal_event_id(annotation_id: str, slide_id: str, label: str, wkb: bytes) -> uuid.UUID:
    """The identity of a proposal: the same for the same outline of the same class.

    So two readers who imported one file into two copies of a study made the same proposals, and a
    merge finds nothing new. Journals hold what this gave: it must never give anything else.
    """
    return uuid.uuid5(_NAMESPACE, "\0".join((annotation_id, slide_id, label, wkb.hex())))
