"""Pixels of slides that OpenSlide alone decodes, compared by what it shows of every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openslide

from pathoai.deidentify.rewritten import TileHash
from pathoai.errors import DamagedSlideError

_BLOCK_PX = 1024


def hashes(path: Path, tick: Callable[[], None]) -> tuple[str, ...]:
    """SHA-256 of the decoded pixels of every level, finest first, in blocks of 1024 px.

    Raises:
        DamagedSlideError: OpenSlide cannot open it, or not decode it somewhere.
    """
    found = []
    try:
        with openslide.OpenSlide(path) as slide:
            for level in range(slide.level_count):
                digest = TileHash()
                for place, size in _blocks(slide, level):
                    digest.add(slide.read_region(place, level, size).tobytes())
                    tick()
                found.append(digest.hexadecimal)
    except openslide.OpenSlideError:
        # Its message may quote the path.
        raise DamagedSlideError(
            "the slide cannot be decoded everywhere", remedy="copy or scan it again"
        ) from None
    return tuple(found)


def tiles_in(path: Path) -> int:
    """How many blocks all levels have.

    Raises:
        DamagedSlideError: OpenSlide cannot open it.
    """
    try:
        with openslide.OpenSlide(path) as slide:
            return sum(-(-w // _BLOCK_PX) * -(-h // _BLOCK_PX) for w, h in slide.level_dimensions)
    except openslide.OpenSlideError:
        raise DamagedSlideError("the slide cannot be opened", remedy="copy it again") from None


def _blocks(
    slide: openslide.OpenSlide, level: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Places in level-0 pixels and sizes in pixels of the level."""
    width, height = slide.level_dimensions[level]
    by = slide.level_downsamples[level]
    for y in range(0, height, _BLOCK_PX):
        for x in range(0, width, _BLOCK_PX):
            size = min(_BLOCK_PX, width - x), min(_BLOCK_PX, height - y)
            yield (round(x * by), round(y * by)), size
