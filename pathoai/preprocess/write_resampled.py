"""How a store's finest levels are made anew: which level of the slide, which colours, which device.

torch is imported only for a stain normalisation or a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.slide_windows import ColouredWindows, SlideWindows, slide_windows
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.compressed_tiles import CompressedLevel
from pathoai.slide.icc import SrgbTransform
from pathoai.slide.reader import SlideReader
from pathoai.store.chunk_coding import WHOLE_COLOURS
from pathoai.store.copy_tiles import TilesToCopy, subsampling_of
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.level_writing import LevelsWriting, WriteLevels
from pathoai.tissue.mask import TissueMask

if TYPE_CHECKING:
    from pathoai.preprocess.slide_normalisation import SlideNormalisation


def made_on(
    header: StoreHeader, reader: SlideReader, tiles: TilesToCopy, settings: TilingSettings
) -> str:
    """What will make the pixels of a store, in the words of its header."""
    if settings.on_cpu:
        return "cpu"
    from pathoai.preprocess.device_making import DeviceMaking

    known = _tiles_for_device(header, reader, tiles)
    return DeviceMaking.best(settings.device, known, header.layout[0].coding).words


def subsampling(header: StoreHeader, reader: SlideReader, tiles: TilesToCopy) -> str:
    """How finely the colours of a store's finest level are kept: as finely as its slide has them.

    Stain lies in the colours, so they are not halved anew; what the scanner halved gains little by
    being kept whole (0.6 dB), at nearly twice the time of encoding. A GPU's encoder keeps them
    whole.
    """
    level = reader.info.levels[_level(header, reader)]
    known = _known_tiles(header, reader, tiles)
    same_scale = header.grid.downsample_x == header.grid.downsample_y == level.downsample
    on_cpu = header.compression == "jpeg" and header.made_on == "cpu"
    if known is None or not same_scale or not on_cpu:
        return WHOLE_COLOURS
    return subsampling_of(known)


def _level(header: StoreHeader, reader: SlideReader) -> int:
    """The level of the slide that the store is made of."""
    return reader.info.level_for(min(header.grid.downsample_x, header.grid.downsample_y))


def _tiles_for_device(
    header: StoreHeader, reader: SlideReader, tiles: TilesToCopy
) -> CompressedLevel | None:
    """The tiles of the level, where a device may decode them: profiles are applied on the CPU."""
    return None if header.colour == "srgb" else _known_tiles(header, reader, tiles)


def _known_tiles(
    header: StoreHeader, reader: SlideReader, tiles: TilesToCopy
) -> CompressedLevel | None:
    level = _level(header, reader)
    return next((known for known in tiles.sources if known.level == level), None)


@contextmanager
def resampled_levels(
    source: SlideSource,
    reader: SlideReader,
    tiles: TilesToCopy,
    *,
    writer: ImageWriter,
    tissue: TissueMask,
    wanted: NDArray[np.bool_],
    settings: TilingSettings,
) -> Iterator[WriteLevels]:
    """The making of a store's finest levels; the slide is released at the end.

    Args:
        source: The slide.
        reader: The same, open.
        tiles: Its compressed tiles, to decode them directly; may be none.
        writer: Of the store.
        tissue: Where a stain normalisation takes its sample.
        wanted: ``(rows, columns)`` bool: the chunks worth making.
        settings: Device and colours.

    Raises:
        NoTissueError: Too little stained tissue to normalise.
        DamagedSlideError: The slide's ICC profile is malformed.
    """
    header = writer.header
    level = _level(header, reader)
    found, known = reader.info.levels[level], _tiles_for_device(header, reader, tiles)
    with closing(slide_windows(source.open_reader, tiles.sources, level, found.size_px)) as raw:
        windows: SlideWindows = raw
        if header.colour == "srgb":
            windows = ColouredWindows(raw, SrgbTransform(reader.info.icc_profile or b""))
        pixels = Resampling(
            windows,
            header.grid.downsample_x / found.downsample,
            header.grid.downsample_y / found.downsample,
        )
        change = _normalisation(pixels, writer, tissue)
        if settings.on_cpu:
            coloured = pixels if change is None else replace(pixels, change_colours=change.pixels)
            yield LevelsWriting(
                0,
                writer.levels_from(0),
                coloured.chunk,
                wanted,
                four_at_once=not pixels.is_same_scale,
            )
        else:
            yield _on_device(pixels, known, found.size_px, writer, wanted, change, settings.device)


def _normalisation(
    pixels: Resampling, writer: ImageWriter, tissue: TissueMask
) -> SlideNormalisation | None:
    """The slide's own, noted in the store; None where the header asks for none."""
    header = writer.header
    if header.normalisation is None:
        return None
    from pathoai.preprocess.slide_normalisation import SlideNormalisation
    from pathoai.preprocess.stain.normalisation import profile_from_dict

    change = SlideNormalisation.of_slide(
        pixels,
        header.grid,
        tissue,
        profile_from_dict(header.normalisation),
        where=header.slide_id or "slide",
    )
    writer.stain_profile = change.source.to_dict()
    return change


def _on_device(
    pixels: Resampling,
    known: CompressedLevel | None,
    size_px: Size,
    writer: ImageWriter,
    wanted: NDArray[np.bool_],
    change: SlideNormalisation | None,
    device_name: str,
) -> WriteLevels:
    from pathoai.preprocess.device import choose_device
    from pathoai.preprocess.device_making import DeviceMaking
    from pathoai.preprocess.device_resampling import DeviceLevelWriting

    device = choose_device(device_name)
    making = DeviceMaking.of_words(writer.header.made_on, device)
    return DeviceLevelWriting(
        making.blocks(pixels.windows, known, size_px),
        (pixels.ratio_x, pixels.ratio_y),
        writer.finest,
        wanted,
        making,
        None if change is None else change.batch,
    )
