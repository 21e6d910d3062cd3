"""How a store's finest levels are made anew: which level of the slide, which colours, which device.

torch is imported only for a stain normalisation or a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.slide_windows import ColouredWindows, SlideWindows, slide_windows
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.icc import SrgbTransform
from pathoai.slide.reader import SlideReader
from pathoai.store.copy_tiles import TilesToCopy
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.level_writing import LevelsWriting, WriteLevels
from pathoai.tissue.mask import TissueMask


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
    level = reader.info.level_for(min(header.grid.downsample_x, header.grid.downsample_y))
    found = reader.info.levels[level]
    with closing(slide_windows(source.open_reader, tiles.sources, level, found.size_px)) as raw:
        windows: SlideWindows = raw
        if header.colour == "srgb":
            windows = ColouredWindows(raw, SrgbTransform(reader.info.icc_profile or b""))
        pixels = Resampling(
            windows,
            header.grid.downsample_x / found.downsample,
            header.grid.downsample_y / found.downsample,
        )
        yield _writing(pixels, header, writer, tissue, wanted, settings)


def _writing(
    pixels: Resampling,
    header: StoreHeader,
    writer: ImageWriter,
    tissue: TissueMask,
    wanted: NDArray[np.bool_],
    settings: TilingSettings,
) -> WriteLevels:
    if settings.on_cpu and header.normalisation is None:
        return LevelsWriting(0, writer.levels_from(0), pixels.chunk, wanted)
    from pathoai.preprocess.device import choose_device
    from pathoai.preprocess.device_resampling import DeviceLevelWriting
    from pathoai.preprocess.slide_normalisation import SlideNormalisation
    from pathoai.preprocess.stain.normalisation import profile_from_dict

    change = None
    if header.normalisation is not None:
        target = profile_from_dict(header.normalisation)
        change = SlideNormalisation.of_slide(
            pixels, header.grid, tissue, target, where=header.slide_id or "slide"
        )
        writer.stain_profile = change.source.to_dict()
    if settings.on_cpu and change is not None:
        coloured = replace(pixels, change_colours=change.pixels)
        return LevelsWriting(0, writer.levels_from(0), coloured.chunk, wanted)
    device, batch = choose_device(settings.device), None if change is None else change.batch
    return DeviceLevelWriting(pixels, writer.finest, wanted, device, batch)
