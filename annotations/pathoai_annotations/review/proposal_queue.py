"""Proposals one by one, whatever region they lie in."""

from __future__ import annotations

import uuid

from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal


class ProposalQueue:
    """The open proposals of a slide, the least confident first, round and round.

    Args:
        journal: Of the study.
        slide_id: Code of the slide.
    """

    def __init__(self, journal: Journal, slide_id: str) -> None:
        """Read nothing yet."""
        self._journal, self._slide_id = journal, slide_id
        self._left: list[uuid.UUID] | None = None

    def next(self) -> Annotation | None:
        """The next annotation that nobody judged; None where none is left.

        Proposals without a confidence come first: nothing is known of them.
        """
        if self._left is None:
            self._left = self._open_ones()
        while self._left:
            state = self._journal.get(self._left.pop(0))
            if state.status is Status.PROPOSED:
                return state
        # Those passed over without a decision come round again.
        self._left = self._open_ones()
        return self._journal.get(self._left.pop(0)) if self._left else None

    def begin_again(self) -> None:
        """Proposals came or went by another way: look for them anew."""
        self._left = None

    def _open_ones(self) -> list[uuid.UUID]:
        found = self._journal.annotations(self._slide_id, status=(Status.PROPOSED,))
        found.sort(key=lambda a: -1.0 if a.confidence is None else a.confidence)
        return [annotation.id for annotation in found]
