"""One slide: written anew from what is allowed, read again, looked through, and only then there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pathoai import __version__
from pathoai.atomic_file import write_text_atomically
from pathoai.deidentify import dicom_slide, mirax_slide, ndpi_slide, tiff_slide
from pathoai.deidentify.byte_search import ByteSearch
from pathoai.deidentify.deidentified import REPORT, Deidentified, file_facts, files_in, finished
from pathoai.deidentify.left_behind import SHORTEST, LeftBehind
from pathoai.deidentify.rewritten import NewIdentity, Rewritten
from pathoai.errors import DeidentificationError, InvalidValueError, PathoaiError
from pathoai.privacy.pseudonym import is_code
from pathoai.progress import Advance, silent
from pathoai.slide.open_slide import describe_slide
from pathoai.slide.reader import SlideDescription

_KINDS: Mapping[str, ModuleType] = {
    "aperio": tiff_slide,
    "dicom": dicom_slide,
    "generic-tiff": tiff_slide,
    "hamamatsu": ndpi_slide,
    "mirax": mirax_slide,
    "ome-tiff": tiff_slide,
}
"""Who rewrites the slides of a vendor, as readers name it."""
_SHORTEST_KEY = 16


def deidentify_slide(
    source: Path, out_folder: Path, *, code: str, uid_key: bytes, advance: Advance = silent
) -> Deidentified:
    """A copy of a slide without anything that tells whose it is.

    What is on an allowlist is written; the rest is left behind. The pixels of every level stay as
    they are, which is proven: tiles are decoded before and after, and compared by hash. The copy
    is looked through for every word that was left behind. It appears under its name whole or not
    at all; one that is there already is checked and kept.

    Args:
        source: The slide.
        out_folder: In it, a folder of the code's name is made.
        code: Coded id, the copy's new name.
        uid_key: Secret bytes that identifiers inside the slide (DICOM UIDs) are re-keyed with.
        advance: Told of the tiles done.

    Raises:
        InvalidValueError: The code is none, or the key is too short.
        NotASlideError: No reader knows the file.
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: It holds what is not allowed and cannot be left behind safely; then
            nothing lies at the place of the copy.
    """
    _check(code, uid_key)
    with _errors_name(code):
        folder = out_folder / code
        earlier = finished(folder)
        if earlier is not None:
            return earlier
        described = describe_slide(source)
        kind = _kind(described.vendor)
        with _staged(folder) as stage:
            work = _Work(source, stage, NewIdentity(code, uid_key), kind)
            report = work.report(described, advance)
            write_text_atomically(
                stage / REPORT, json.dumps(report, indent=1, sort_keys=True) + "\n"
            )
        return Deidentified(folder, report)


def level_hashes(path: Path) -> tuple[str, ...]:
    """SHA-256 of the decoded tiles of every level, finest first, as reports state them.

    So that a copy can be held to its report by its pixels, not by its bytes alone.

    Args:
        path: A slide, e.g. `Deidentified.path`.

    Raises:
        NotASlideError: No reader knows the file.
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: Slides of its kind are not rewritten.
    """
    hashes: tuple[str, ...] = _kind(describe_slide(path).vendor).hashes(path, lambda: None)
    return hashes


@dataclass(frozen=True, eq=False)
class _Work:
    """One slide under way.

    Args:
        source: The slide.
        stage: Where its copy is made.
        who: Its new identity.
        kind: Who rewrites it.
    """

    source: Path
    stage: Path
    who: NewIdentity
    kind: ModuleType

    def report(self, described: SlideDescription, advance: Advance) -> dict[str, Any]:
        """Make the copy, prove it, and tell what was done."""
        left = LeftBehind()
        tick = _ticks(2 * self.kind.tiles_in(self.source), advance)
        written: Rewritten = self.kind.rewrite(self.source, self.stage, self.who, left, tick)
        copy = _described_as(described, written)
        if self.kind.hashes(written.opens, tick) != written.level_sha256:
            raise DeidentificationError("the copy's pixels are not those of the slide")
        words = left.words(allowed=[*written.texts, self.who.code])
        _look_through(self.stage, words)
        levels = zip(copy.levels, written.level_sha256, strict=True)
        return {
            "about": "de-identified copy of a slide; holds no identifier",
            "code": self.who.code,
            "pathoai": __version__,
            "kind": written.vendor,
            "opens": written.opens.relative_to(self.stage).as_posix(),
            "files": file_facts(self.stage),
            "levels": [
                {"width": v.size_px.width, "height": v.size_px.height, "tiles_sha256": digest}
                for v, digest in levels
            ],
            "left_behind": left.counts,
            "looked_for": {"words": len(words), "of_at_least_characters": SHORTEST, "found": 0},
        }


def _check(code: str, uid_key: bytes) -> None:
    if not is_code(code):
        raise InvalidValueError(
            "the name of a de-identified slide must be a coded id",
            allowed="16 characters of 0-9 and A-Z without I, L, O, U",
        )
    if len(uid_key) < _SHORTEST_KEY:
        raise InvalidValueError(
            "the key for identifiers is too short",
            found=f"{len(uid_key)} bytes",
            allowed=f"at least {_SHORTEST_KEY}",
        )


@contextmanager
def _errors_name(code: str) -> Iterator[None]:
    """Errors name the slide by its code: files are named after patients."""
    try:
        yield
    except PathoaiError as error:
        raise type(error)(
            error.what, where=code, found=error.found, allowed=error.allowed, remedy=error.remedy
        ) from error


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A hidden folder beside the final one, which takes its place when all went well."""
    stage = folder.with_name(f".{folder.name}.partial")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Of a run that was killed.
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    try:
        yield stage
        for path in [*files_in(stage), stage]:
            _flush(path)
        stage.rename(folder)
        _flush(folder.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kind(vendor: str) -> ModuleType:
    if vendor not in _KINDS:
        raise DeidentificationError(
            "slides of this kind are not rewritten",
            found=vendor,
            allowed=", ".join(sorted(_KINDS)),
            remedy="convert it to DICOM or OME-TIFF first",
        )
    return _KINDS[vendor]


def _ticks(total: int, advance: Advance) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        advance(min(done, total), total)

    return tick


def _described_as(before: SlideDescription, written: Rewritten) -> SlideDescription:
    """What readers say of the copy, if it says the same as before but for pictures beside it.

    Raises:
        DeidentificationError: Scale, objective or levels differ, or a label is still there.
    """
    after = describe_slide(written.opens)
    pairs = {
        "scale": (_numbers(before.stated_mpp), _numbers(after.stated_mpp)),
        "objective": (_numbers([before.objective_power]), _numbers([after.objective_power])),
        "levels": (before.levels, after.levels),
        "kind": (before.vendor, after.vendor),
    }
    for name, (old, new) in pairs.items():
        if old != new:
            raise DeidentificationError(f"the {name} of the slide would be lost in the copy")
    if after.associated_images:
        raise DeidentificationError("the copy still holds pictures beside the slide")
    return after


def _numbers(texts: Any) -> list[float | None]:  # noqa: ANN401 - a pair or a list
    return [None if text is None else float(f"{float(text):.9g}") for text in texts]


def _look_through(stage: Path, words: set[str]) -> None:
    """Search every file of the copy, byte by byte.

    Raises:
        DeidentificationError: Something that was left behind is still in it.
    """
    search = ByteSearch(words)
    for path in files_in(stage):
        if search.occurs_in(path):
            raise DeidentificationError(
                "the copy holds words of what was to be left behind",
                remedy="do not let this slide leave; report its kind and scanner",
            )
