"""Whether a file is about the slide that it is read for."""

from __future__ import annotations

from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from pathoai.privacy.pseudonym import is_code
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.slide_frame import Corner, Placement


def refuse_other_slide(stated: str, context: ReadingContext, where: str) -> None:
    """Refuse a file that names another slide; names that cannot be compared are let pass.

    Args:
        stated: What the file calls its slide; empty where it does not say.
        context: The slide that is meant.
        where: Name of the file, or the place in it.

    Raises:
        AnnotationError: It is another slide's code, or not the name that the user gave.
    """
    comparable = is_code(stated) or bool(context.known_as)
    if stated and comparable and stated not in (context.slide_id, context.known_as):
        raise AnnotationError(
            "the file is about another slide",
            where=where,
            found=stated if is_code(stated) else "another name",  # it may hold a patient's
            allowed=context.known_as or context.slide_id,
            remedy="read it for the slide that it is about",
        )


def refuse_other_size(size: Size, corner: Corner, context: ReadingContext, where: str) -> None:
    """Refuse a file that states another size of level 0 than the slide has.

    Args:
        size: What the file states, level-0 pixels.
        corner: The part of the slide that it is about.
        context: The slide that is meant; where it was not tiled yet, nothing can be compared.
        where: Name of the file.

    Raises:
        AnnotationError: It is another size.
    """
    if context.frame is None:
        return
    part = context.frame.part(corner)
    if (size.width, size.height) != (round(part.width), round(part.height)):
        raise AnnotationError(
            "the file is about another slide",
            where=where,
            found=f"{size.width} × {size.height} px",
            allowed=f"{part.width:g} × {part.height:g} px, the size of {context.slide_id}",
            remedy="read it for the slide that it is about",
        )


def stated_placement(context: ReadingContext, stated: Corner | None = None) -> Placement:
    """How outlines lie on level 0 that a file gives in level-0 pixels, or scales by itself.

    Args:
        context: The corner that the user says they count from.
        stated: The corner that the file says.

    Raises:
        AnnotationError: The user gives a scale, or another corner than the file.
    """
    if context.mpp is not None:
        raise AnnotationError(
            "the file says its scale itself", where="--mpp", remedy="leave --mpp out"
        )
    return context.placement(stated)
