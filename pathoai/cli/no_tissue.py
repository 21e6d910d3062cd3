"""A slide without tissue: the person is shown what the program saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pathoai.errors import NoTissueError
from pathoai.study.study import Study


@contextmanager
def thumbnail_of_no_tissue(study: Study, slide_id: str) -> Iterator[None]:
    """Where no tissue is found, keep the slide's thumbnail in the study and name it in the error.

    Raises:
        NoTissueError: As raised inside, with the thumbnail's name.
    """
    from pathoai.tissue.thumbnail import write_thumbnail

    picture = study.no_tissue_path(slide_id)
    try:
        yield
    except NoTissueError as error:
        if error.thumbnail is None:
            raise
        write_thumbnail(picture, error.thumbnail)
        raise NoTissueError(
            error.what,
            where=error.where,
            found=f"{error.found} (see {picture.relative_to(study.path)} in the study)",
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error
    picture.unlink(missing_ok=True)
