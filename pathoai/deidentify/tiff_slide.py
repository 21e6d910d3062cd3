"""SVS, OME-TIFF and plain tiled TIFF, written anew from what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.rewritten import NewIdentity, Rewritten, TileHash, drop_names
from pathoai.deidentify.tiff_parts import Parts, check_provable
from pathoai.deidentify.tiff_tags import DESCRIPTION, drop_picture, drop_tag, kept_entries
from pathoai.deidentify.tiff_words import description
from pathoai.deidentify.tiff_writer import LONG, Entry, TiffWriter
from pathoai.errors import DeidentificationError
from pathoai.slide.ome_xml import read_ome_xml
from pathoai.slide.tiff_directory import Directory, TiffSource
from pathoai.slide.tiff_levels import TiffLevel, TiffPyramid, tiff_pyramid

_STRIPS, _TILES = (273, 279), (324, 325)
_SUFFIXES = {"aperio": ".svs", "ome-tiff": ".ome.tiff", "generic-tiff": ".tiff"}
_CLASSIC_BYTES = 4_000_000_000
"""Beyond, offsets of 32 bits may not reach."""
Tick = Callable[[], None]


def rewrite(
    source: Path, folder: Path, who: NewIdentity, left: LeftBehind, tick: Tick
) -> Rewritten:
    """Write the levels of a TIFF slide, and nothing else of it.

    Args:
        source: The slide.
        folder: Empty; the copy is written into it.
        who: The slide's new identity.
        left: Told of what is not copied.
        tick: Called for each tile.

    Raises:
        NotASlideError: It is no TIFF slide, or a level of it cannot be decoded here.
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: It holds what is not allowed and cannot be left behind.
    """
    drop_names(source, left)
    with TiffSource(source) as file:
        directories = file.directories()
        pyramid = tiff_pyramid(directories)
        _refuse_planes(pyramid)
        _drop_others(directories, pyramid, left)
        path = folder / (who.code + _SUFFIXES[pyramid.vendor])
        with TiffWriter(path, big=_needs_big(pyramid.levels)) as writer:
            copy = _Copy(pyramid, writer, left, tick)
            copied = [copy.level(level) for level in pyramid.levels]
            _finish(writer, pyramid, directories[0], [entries for entries, _ in copied])
        texts = {description(pyramid, v.size_px, finest=True) for v in pyramid.levels}
    return Rewritten(path, pyramid.vendor, tuple(digest for _, digest in copied), tuple(texts))


def hashes(path: Path, tick: Tick) -> tuple[str, ...]:
    """SHA-256 of the decoded tiles of every level of a TIFF slide, finest first.

    Raises:
        NotASlideError: It is no TIFF slide, or a level of it cannot be decoded here.
        DamagedSlideError: It is damaged or cut short.
    """
    found = []
    with TiffSource(path) as file:
        for level in tiff_pyramid(file.directories()).levels:
            parts, digest = Parts(check_provable(level)), TileHash()
            for data, visible in parts:
                digest.add(parts.decode(data, visible).tobytes() if data else None)
                tick()
            found.append(digest.hexadecimal)
    return tuple(found)


def tiles_in(path: Path) -> int:
    """How many tiles all levels have.

    Raises:
        NotASlideError: It is no TIFF slide.
        DamagedSlideError: It is damaged.
    """
    with TiffSource(path) as file:
        levels = tiff_pyramid(file.directories()).levels
        return sum(level.grid_shape[0] * level.grid_shape[1] for level in levels)


@dataclass(frozen=True, eq=False)
class _Copy:
    """Copies levels into a file.

    Args:
        pyramid: The slide they are of.
        writer: The file.
        left: Told of what is not copied.
        tick: Called for each tile.
    """

    pyramid: TiffPyramid
    writer: TiffWriter
    left: LeftBehind
    tick: Tick

    def level(self, level: TiffLevel) -> tuple[list[Entry], str]:
        """Its tags once its parts are written, and the hash of its decoded tiles."""
        parts, digest = Parts(check_provable(level)), TileHash()
        index = np.zeros((2, level.grid_shape[0] * level.grid_shape[1]), np.int64)
        for number, (data, visible) in enumerate(parts):
            self.tick()
            if not data:
                digest.add(None)
                continue
            digest.add(parts.decode(data, visible).tobytes())
            clean = parts.may_leave(data, visible, self.left)
            index[:, number] = self.writer.put(clean), len(clean)
        entries = kept_entries(level.directory, self.left)
        if DESCRIPTION in level.directory:
            drop_tag(level.directory, DESCRIPTION, self.left)
        text = description(self.pyramid, level.size_px, finest=level is self.pyramid.levels[0])
        places, counts = _TILES if level.tiled else _STRIPS
        entries += [
            Entry.numbers(places, self.writer.place_kind, index[0].tolist()),
            Entry.numbers(counts, LONG, index[1].tolist()),
            *([Entry.text(DESCRIPTION, text)] if text else []),
        ]
        return entries, digest.hexadecimal


def _finish(
    writer: TiffWriter, pyramid: TiffPyramid, first: Directory, levels: Sequence[list[Entry]]
) -> None:
    """The directories as the source has them: levels below the first, or after it."""
    places = {_place_of(child) for child in first.children()}
    is_below = [_place_of(level.directory) in places for level in pyramid.levels]
    pairs = list(zip(levels, is_below, strict=True))
    writer.finish([e for e, deep in pairs if not deep], [e for e, deep in pairs if deep])


def _place_of(directory: Directory) -> tuple[int, ...]:
    """What tells two directories of one file apart: where the values of their tags lie."""
    return tuple(field.offset for field in directory.fields.values())


def _drop_others(directories: Sequence[Directory], pyramid: TiffPyramid, left: LeftBehind) -> None:
    """The label, the macro, the thumbnail, and whatever other pictures lie in the file."""
    kept = {_place_of(level.directory) for level in pyramid.levels}
    for directory in [*directories[0].children(), *directories]:
        if _place_of(directory) not in kept:
            drop_picture(directory, "picture that is no level", left)


def _needs_big(levels: Sequence[TiffLevel]) -> bool:
    return sum(int(level.find_parts()[1].sum()) for level in levels) > _CLASSIC_BYTES


def _refuse_planes(pyramid: TiffPyramid) -> None:
    if pyramid.vendor == "ome-tiff" and read_ome_xml(pyramid.description).planes > 1:
        raise DeidentificationError(
            "the OME-TIFF has several focal planes or time points, which are not copied",
            remedy="export the one plane that is to leave",
        )
