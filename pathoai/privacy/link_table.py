"""Which file a coded slide is: kept beside the key, never inside the study."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import MissingFileError, StudyError


class LinkTable:
    """Coded slide id → path of its source file, in a file that only its owner can read."""

    def __init__(self, vault: Path) -> None:
        """The table of the study whose vault this is; it may not exist yet."""
        self._path = vault / "sources.json"

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        try:
            table = json.loads(self._path.read_text("utf8")).items()
        except (ValueError, AttributeError) as error:
            raise StudyError(
                "the link table of the study is damaged",
                found=str(error),
                remedy="restore sources.json in the study's vault, or add the slides again",
            ) from error
        return {str(k): str(v) for k, v in table}

    def update(self, sources: dict[str, Path]) -> None:
        """Remember where slides lie now."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        table = self._read() | {k: str(v.resolve()) for k, v in sources.items()}
        write_text_atomically(self._path, json.dumps(table, indent=1, sort_keys=True), mode=0o600)

    def forget(self, slide_id: str) -> None:
        """Remove a slide, e.g. after its patient objected."""
        table = self._read()
        if table.pop(slide_id, None) is not None:
            write_text_atomically(
                self._path, json.dumps(table, indent=1, sort_keys=True), mode=0o600
            )

    def sources(self) -> dict[str, str]:
        """Where each slide's file lay when it was added."""
        return self._read()

    def file_names(self) -> dict[str, str]:
        """The name of each slide's file, without its folder, wherever it lies now."""
        return {slide_id: Path(source).name for slide_id, source in self._read().items()}

    def path_of(self, slide_id: str) -> Path:
        """Where the slide's file lies.

        Raises:
            MissingFileError: It was never added from this account, or it has moved.
        """
        source = self._read().get(slide_id)
        if source is None or not os.path.exists(source):
            raise MissingFileError(
                "the source file of the slide is not where it was when it was added",
                where=slide_id,
                remedy="run `pathoai add STUDY FILE` again with the file's new place",
            )
        return Path(source)
