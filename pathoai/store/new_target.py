"""What is exported lies under its name once it is whole, and never replaces what is there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathoai.errors import InvalidValueError


@contextmanager
def new_target(target: Path, *, outside: Path | None) -> Iterator[Path]:
    """Give a path beside the target to write a file or a folder to; it is renamed at the end.

    Whatever stops the work, nothing lies under the target's name, nor beside it; only a process
    that is killed leaves a hidden folder ``.….partial`` there.

    Args:
        target: Its folder is made where needed.
        outside: What is exported, in which the target may not lie; None where it has its place
            there.

    Raises:
        InvalidValueError: Something lies there already, before the work or after it; or the
            target lies in what is exported.
    """
    if outside is not None and target.resolve().is_relative_to(outside.resolve()):
        raise InvalidValueError(
            "an export cannot lie in what is exported",
            where=target.name,
            remedy="choose a place outside of it",
        )
    _refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, for a rename to be one step; hidden, so that nobody takes it for a result.
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield folder / target.name
        _refuse_existing(target)
        (folder / target.name).rename(target)
    finally:
        shutil.rmtree(folder)


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise InvalidValueError(
            "something lies where the export should go",
            where=target.name,
            remedy="choose another name, or remove what is there",
        )
