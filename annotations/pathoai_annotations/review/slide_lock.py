"""A slide that its reader signed off is locked to him, until he reopens it."""

from __future__ import annotations

from collections.abc import Iterable

from pathoai.errors import AnnotationError
from pathoai_annotations.journal.journal import Journal


def check_unlocked(journal: Journal, slide_ids: Iterable[str], reader: str) -> None:
    """Refuse what would change a reading that its reader has signed off.

    Args:
        journal: Of the study.
        slide_ids: Codes of the slides that would change.
        reader: Code of who would change them.

    Raises:
        AnnotationError: He has signed one of them off, and not reopened it.
    """
    for slide_id in dict.fromkeys(slide_ids):
        if journal.is_signed(slide_id, reader):
            raise AnnotationError(
                "you have signed this slide off, so it is locked",
                where=slide_id,
                remedy="reopen it in the tab Verdict; that is logged",
            )
