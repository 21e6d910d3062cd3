"""The files of one slide in a package under way; what a killed run finished is kept.

Beside the payload lies, for each finished slide, what its files were made from and what they hash
to. Files of which both are still true are not written again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.provenance import sha256_of_file, sha256_of_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.event_log import state_of
from pathoai_annotations.package.loss_report import Losses
from pathoai_annotations.package.parts import tree_sha256
from pathoai_annotations.package.selection import SlideHistory

_NOTES = "finished"


@dataclass(frozen=True, slots=True)
class WrittenSlide:
    """What was written of a slide.

    Args:
        inputs: Hash of what it was made from.
        files: Name of each file or store of the payload → its SHA-256.
        losses: What derived forms lost, as the loss report says it.
    """

    inputs: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    losses: Losses = field(default_factory=dict)


class SlideFiles:
    """Finished slides of a package under way.

    Args:
        folder: The staged folder.
        slide_ids: Slides that belong into the package.
    """

    def __init__(self, folder: Path, slide_ids: Collection[str]) -> None:
        """Remove what a killed run left, but finished slides."""
        self._payload = folder / layout.PAYLOAD
        self._notes = folder / _NOTES
        self._notes.mkdir(exist_ok=True)
        kept: set[Path] = set()
        for note in self._notes.iterdir():
            if note.suffix == ".json" and note.stem in slide_ids:
                kept |= {self._payload / name for name in _read(note).files}
            else:
                note.unlink()
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_relative_to(self._notes) or not kept.isdisjoint((path, *path.parents)):
                continue
            if not path.is_dir():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()

    def write(
        self, slide_id: str, inputs: str, write: Callable[[], tuple[Collection[str], Losses]]
    ) -> WrittenSlide:
        """Write the files of a slide, or keep them.

        Args:
            slide_id: Code of the slide.
            inputs: Hash of what they are made from.
            write: Writes them, and says which, files and stores by their names in the payload; and
                what derived forms lost.
        """
        note = self._notes / f"{slide_id}.json"
        known = _read(note)
        if known.inputs == inputs and all(map(self._is_whole, known.files, known.files.values())):
            return known
        for name in known.files:
            _remove(self._payload / name)
        note.unlink(missing_ok=True)
        names, losses = write()
        files = {name: self._digest(name) for name in sorted(names)}
        # Last: without its note a slide counts as not begun.
        written = WrittenSlide(inputs, files, losses)
        write_text_atomically(note, json.dumps(asdict(written)))
        return written

    def forget(self) -> None:
        """Remove the notes: the package is complete."""
        shutil.rmtree(self._notes)

    def _is_whole(self, name: str, digest: str) -> bool:
        return (self._payload / name).exists() and self._digest(name) == digest

    def _digest(self, name: str) -> str:
        path = self._payload / name
        if path.is_file():
            return sha256_of_file(path)
        files = {f"{name}/{p.relative_to(path).as_posix()}": p for p in path.rglob("*")}
        return tree_sha256(name, {n: sha256_of_file(p) for n, p in files.items() if p.is_file()})


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(note: Path) -> WrittenSlide:
    try:
        return WrittenSlide(**json.loads(note.read_text("utf8")))
    except (FileNotFoundError, ValueError, TypeError):  # an older pathoai's: begin again
        return WrittenSlide()


def inputs_of(history: SlideHistory, *settings: str) -> str:
    """Hash of what a slide's files are made from.

    Args:
        history: Its annotations and their edits.
        settings: What else shapes them.
    """
    edits = [[event.seq, str(event.event_id), event.at, event.author] for event in history.events]
    outlines = [[str(a.id), state_of(a), a.geometry.wkb_hex] for a in history.annotations]
    return sha256_of_json([list(settings), edits, outlines])
