"""De-identified copies of a package's slides, made beside it and kept until it is there.

A run that fails or is killed leaves the copies that are finished in ``.OUT.images``; the next one
goes on with them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai import __version__
from pathoai.deidentify.deidentified import Deidentified, finished
from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.deidentify.rewritten import uid_key
from pathoai.errors import (
    DeidentificationError,
    MissingFileError,
    PackageError,
    PathoaiError,
    SlideError,
    StorageError,
)
from pathoai.privacy.pseudonym import load_or_create_key
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_path
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_annotations.package import layout
from pathoai_annotations.package.images import PackagedImage, Report, images_of

_WITHOUT = "build it with --without-images"
_LEAST_FREE_BYTES = 64 * 2**20
"""Left for the rest of the package."""
_MOST_NAMED = 5
_MIB = 2**20


def kept_folder(out: Path) -> Path:
    """Where finished copies wait for the package that is to lie at a place."""
    return out.with_name(f".{out.name}.images")


@dataclass(frozen=True, slots=True)
class ImageCopies:
    """The copies that go into a package.

    Args:
        copies: Slide → its copy, sorted by slide.
    """

    copies: Mapping[str, Deidentified]

    @property
    def reports(self) -> dict[str, Report]:
        """Slide → what goes into the package of the report on its copy.

        How many words were looked for follows from the name of the slide's file and folder, which
        are no part of the study.
        """
        return {slide_id: _for_package(copy.report) for slide_id, copy in self.copies.items()}

    @property
    def images(self) -> tuple[PackagedImage, ...]:
        """Every file of them, as the table of images lists it."""
        return tuple(
            image
            for slide_id, copy in self.copies.items()
            for image in images_of(slide_id, copy.report)
        )

    def put_into(self, payload: Path) -> None:
        """Lay files and reports into a payload; the copies themselves stay where they are.

        Raises:
            OSError: The disk is full or read-only.
        """
        for slide_id, copy in self.copies.items():
            folder = payload / layout.image_folder(slide_id)
            shutil.rmtree(folder, ignore_errors=True)
            for path in copy.paths:
                target = folder / path.relative_to(copy.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                _same_file(path, target)
        report = payload / layout.DEID_REPORT
        report.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"slides": self.reports}, indent=1, sort_keys=True)
        report.write_text(text + "\n", "utf8", newline="\n")


def deidentified_images(
    study: Study, slide_ids: Iterable[str], out: Path, advance: Advance = silent
) -> ImageCopies:
    """Copies of slides without anything that tells whose they are; finished ones are taken over.

    Args:
        study: Its vault says where the slides lie.
        slide_ids: The slides.
        out: Where the package will lie; the copies are made in :func:`kept_folder`.
        advance: Told of MiB of slides done and in all.

    Raises:
        PackageError: Slides' files cannot be found, slides are of a kind that cannot be rewritten,
            are damaged or hold what must not leave, or the disk is too small. The slides are named
            by their codes; copies of all others are finished and kept.
        StudyError: The study's key is not here.
        OSError: The disk is full or read-only.
    """
    wanted, kept = sorted(slide_ids), kept_folder(out)
    copies = _finished(kept, wanted)
    sources = _sources(study, [slide_id for slide_id in wanted if slide_id not in copies])
    if sources:
        key = uid_key(load_or_create_key(study.vault, may_create=False))
        copies |= _Work(study.cohort, kept, key, advance).copies(sources)
    return ImageCopies(dict(sorted(copies.items())))


def forget_copies(out: Path) -> None:
    """Remove what was kept: the package is complete, or needs no copies."""
    folder = kept_folder(out)
    if folder.exists():
        shutil.rmtree(folder)


def _for_package(report: Mapping[str, Any]) -> Report:
    searched = {k: v for k, v in report["looked_for"].items() if k != "words"}
    return {**report, "looked_for": searched}


def _same_file(path: Path, target: Path) -> None:
    """The same file under another name, so that gigabytes lie on the disk once."""
    try:
        os.link(path, target)
    except OSError:  # not every file system has hard links
        shutil.copyfile(path, target)


def _finished(kept: Path, wanted: list[str]) -> dict[str, Deidentified]:
    """Copies of earlier runs; those of other slides, of other versions and altered ones go."""
    found = {}
    for folder in sorted(kept.glob("*")):
        try:
            copy = finished(folder) if folder.name in wanted else None
        except DeidentificationError:
            copy = None
        if copy is not None and copy.report["pathoai"] == __version__:
            found[folder.name] = copy
        else:
            shutil.rmtree(folder)
    return found


def _sources(study: Study, slide_ids: list[str]) -> dict[str, Path]:
    found, lost = {}, []
    for slide_id in slide_ids:
        try:
            found[slide_id] = study.source_of(slide_id)
        except MissingFileError:
            lost.append(slide_id)
    if lost:
        raise PackageError(
            "the files of slides cannot be found, so no copy of them can go into the package",
            where=_named(lost),
            remedy=f"run `pathoai add STUDY FILE` again with the file's new place, or {_WITHOUT}",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """Copies under way.

    Args:
        cohort: Knows what slides hash to.
        kept: Where they are made.
        key: What identifiers inside slides are re-keyed with.
        advance: Told of MiB done and in all.
    """

    cohort: Cohort
    kept: Path
    key: bytes
    advance: Advance

    def copies(self, sources: Mapping[str, Path]) -> dict[str, Deidentified]:
        """A copy of each slide; all are tried before any failure is told."""
        sizes = {slide_id: _bytes_of(path) for slide_id, path in sources.items()}
        self._check_space(sum(sizes.values()))
        made: dict[str, Deidentified] = {}
        refused: dict[str, PathoaiError] = {}
        done = 0
        for slide_id, path in sources.items():
            advance = _share(self.advance, done, sizes[slide_id], sum(sizes.values()))
            try:
                made[slide_id] = self._copy(slide_id, path, advance)
            except (SlideError, StorageError) as error:
                refused[slide_id] = error
            done += sizes[slide_id]
            advance(1, 1)
        if refused:
            raise _cannot_leave(refused)
        return made

    def _copy(self, slide_id: str, path: Path, advance: Advance) -> Deidentified:
        known = self.cohort[slide_id].source_sha256
        # Somebody else's slide under this code could not be told from it ever after.
        if known and sha256_of_path(path) != known:
            raise DeidentificationError(
                "another file lies at the place of the slide",
                remedy="put it back, or run `pathoai add STUDY FILE` with its new place",
            )
        return deidentify_slide(path, self.kept, code=slide_id, uid_key=self.key, advance=advance)

    def _check_space(self, needed: int) -> None:
        self.kept.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.kept).free
        if needed + _LEAST_FREE_BYTES > free:
            raise PackageError(
                "the disk is too small for the copies of the slides",
                where="OUT",
                found=f"{free // _MIB} MiB free",
                allowed=f"at least {-(-(needed + _LEAST_FREE_BYTES) // _MIB)} MiB",
                remedy=f"choose a place on a larger disk, or {_WITHOUT}",
            )


def _share(advance: Advance, before: int, size: int, total: int) -> Advance:
    """Tells of the tiles of one slide as a share of the bytes of all."""

    def tell(done: int, tiles: int) -> None:
        advance((before + size * done // max(tiles, 1)) // _MIB, max(1, total // _MIB))

    return tell


def _cannot_leave(refused: Mapping[str, PathoaiError]) -> PackageError:
    first = next(iter(refused.values()))
    by_hand = f"{first.remedy}, or " if first.remedy else ""
    return PackageError(
        "slides cannot be de-identified, so they cannot leave in a package; the copies of all "
        "others are kept for the next run",
        where=_named(list(refused)),
        found=first.what,
        remedy=f"{by_hand}{_WITHOUT}",
    )


def _named(codes: list[str]) -> str:
    more = len(codes) - _MOST_NAMED
    return ", ".join(codes[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _bytes_of(path: Path) -> int:
    """Of a slide's files; a MIRAX slide keeps them in a folder beside it."""
    beside = path.with_suffix("")
    roots = [path, beside] if path.suffix.lower() == ".mrxs" and beside.is_dir() else [path]
    files = (f for root in roots for f in ([root] if root.is_file() else root.rglob("*")))
    return sum(file.stat().st_size for file in files if file.is_file())
