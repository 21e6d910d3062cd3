"""What is said of a whole slide."""

from __future__ import annotations

import re
from typing import Any

from pathoai.errors import AnnotationError
from pathoai.privacy.pseudonym import is_code
from pathoai_annotations.journal.edit import Edit

_GRADE = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


def slide_remark(slide_id: str, grade: str | None, edit: Edit) -> dict[str, Any]:
    """The columns of a remark on a slide.

    Args:
        slide_id: Of the slide.
        grade: Key of a class; whether the study's ontology has it is the caller's to ask.
        edit: Its circumstances.

    Raises:
        AnnotationError: The slide's id is no code, or the grade no key.
    """
    if not is_code(slide_id):
        raise AnnotationError(
            "a slide is named by its code",
            found=f"{len(slide_id)} characters",  # a file's name may hold a patient's
            allowed="a slide_id of cohort.csv",
        )
    if grade is not None and not _GRADE.fullmatch(grade):
        raise AnnotationError(
            "a grade is the key of a class", found=repr(grade), allowed="a key of the ontology"
        )
    return edit.columns | {"grade": grade}
