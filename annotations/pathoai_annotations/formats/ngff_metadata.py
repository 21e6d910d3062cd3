"""The metadata of an OME-Zarr, held to one meaning: zarr takes the last of two equal keys."""

from __future__ import annotations

from pathlib import Path

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.strict_json import read_json

_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata")


def refuse_ambiguous_metadata(path: Path, array: str) -> None:
    """Refuse metadata that other parsers read otherwise, of an array and the groups around it.

    Args:
        path: The folder that was opened.
        array: Where the array lies in it, as ``labels/nuclei/0``.

    Raises:
        AnnotationError: An object has a key twice with two values, or the text is no sound JSON.
        OSError: A file cannot be read.
    """
    inside = Path(array)
    for folder in (inside, *inside.parents):
        for name in _FILES:
            file = path / folder / name
            if not file.is_file():
                continue
            try:
                read_json(file, foreign=True)
            except InvalidValueError as error:
                raise AnnotationError(
                    f"the metadata of the OME-Zarr label are {error.what}",
                    where=f"{path.name}, {name}",
                    found=error.found,
                    remedy="export it again",
                ) from error
