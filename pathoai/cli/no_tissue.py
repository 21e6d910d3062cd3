"""A slide without tissue: the person is shown what the program saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pathoai.errors import NoTissueError
from pathoai.study.slide_place import SlidePlace


@contextmanager
def thumbnail_of_no_tissue(place: SlidePlace) -> Iterator[None]:
    """Where no tissue is found, keep the slide's thumbnail and name it in the error.

    Raises:
        NoTissueError: As raised inside, with the thumbnail's name.
    """
    from pathoai.tissue.thumbnail import write_thumbnail

    picture = place.no_tissue_path
    try:
        yield
    except NoTissueError as error:
        if error.thumbnail is None:
            raise
        write_thumbnail(picture, error.thumbnail)
        where = "in the study" if place.study_path else "beside the store"
        raise NoTissueError(
            error.what,
            where=error.where,
            found=f"{error.found} (see {picture.parent.name}/{picture.name} {where})",
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error
    picture.unlink(missing_ok=True)
