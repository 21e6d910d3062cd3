"""A slide of the worklist in words: its code, how far one is, and why it stands there. No Qt."""

from __future__ import annotations

from napari_pathoai.texts.texts import text
from pathoai_annotations.readers.assignment import Role
from pathoai_annotations.review.worklist import WorklistSlide


def slide_words(slide: WorklistSlide) -> str:
    """Two or three lines."""
    lines = [slide.slide_id, _state(slide), _why(slide)]
    return "\n".join(line for line in lines if line)


def _state(slide: WorklistSlide) -> str:
    key = f"state_{slide.state.value}"
    if slide.regions:
        parts = [text(f"{key}_of", decided=slide.decided, regions=slide.regions)]
    else:
        parts = [text(key)]
    if slide.unsure:
        parts.append(text("worklist_unsure", count=slide.unsure))
    if slide.role is Role.NONE:
        parts.append(text("role_none"))
    return " · ".join(parts)


def _why(slide: WorklistSlide) -> str:
    why = slide.why
    return text(f"why_{why.concern.value}", model=why.model, value=why.value)
