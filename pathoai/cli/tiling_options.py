"""The options of ``pathoai tile`` that say what a store shall be."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.errors import InvalidValueError, MissingFileError
from pathoai.study.stain import HE, is_routine

if TYPE_CHECKING:  # its module is heavy, and needed only once the command runs
    from pathoai.preprocess.tiling_settings import TilingSettings

_COMPRESSIONS = {"jpeg": "jpeg", "zstd": "blosc-zstd", "jpegxl": "jpegxl"}
"""What users write → what the store says."""
_TILE_MPP = 0.5
_HE_TISSUE, _IHC_TISSUE = "h-and-e", "ihc"


def add_tiling_options(parser: ArgumentParser) -> None:
    """Add the options to the command's parser."""
    _add_pixels(parser)
    _add_tiles(parser)


def _add_pixels(parser: ArgumentParser) -> None:
    pixels = parser.add_argument_group("pixels")
    pixels.add_argument(
        "--mpp", type=float, help="resample to this scale, µm per pixel (default: the slide's own)"
    )
    pixels.add_argument(
        "--encoding",
        choices=("auto", "source", "resampled"),
        default="auto",
        help="source copies the slide's compressed tiles; auto does where possible (default)",
    )
    pixels.add_argument(
        "--compression",
        choices=sorted(_COMPRESSIONS),
        default="jpeg",
        help="of resampled pixels: jpeg, or lossless zstd or jpegxl (default: jpeg)",
    )
    pixels.add_argument("--quality", type=int, default=90, help="of JPEG, 1-100 (default: 90)")
    pixels.add_argument(
        "--colour",
        choices=("scanner", "srgb"),
        default="scanner",
        help="srgb hands out pixels converted by the slide's ICC profile (default: scanner)",
    )
    pixels.add_argument(
        "--normalise",
        metavar="METHOD",
        help="resample and normalise the stains: macenko, vahadane or reinhard",
    )
    pixels.add_argument(
        "--target",
        type=Path,
        metavar="FILE",
        help="stain profile (JSON) to normalise to (default: the reference that comes along)",
    )
    pixels.add_argument(
        "--max-damaged",
        type=share,
        default=0.001,
        metavar="SHARE",
        help="fail a slide with more damaged tiles, e.g. 0.5%% (default: 0.1%%)",
    )


def _add_tiles(parser: ArgumentParser) -> None:
    tiles = parser.add_argument_group("tissue and tiles")
    tiles.add_argument(
        "--tissue",
        metavar="PRESET",
        help="h-and-e, ihc, faint, fatty-breast, biopsy, whole, … (default: h-and-e, or ihc where "
        "the cohort says that a slide is stained otherwise)",
    )
    tiles.add_argument("--tile-size", type=int, default=256, help="pixels (default: 256)")
    tiles.add_argument("--tile-mpp", type=float, help="scale of tiles (default: --mpp, or 0.5)")
    tiles.add_argument("--overlap", type=int, default=0, help="pixels (default: 0)")
    tiles.add_argument(
        "--min-tissue", type=float, default=0.05, help="share of a tile, 0 to 1 (default: 0.05)"
    )


def share(text: str) -> float:
    """A share from 0 to 1, written as such or in percent."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is no share: write 0.1% or 0.001")
    return value


def chosen_settings(options: Namespace, stain: str = HE) -> TilingSettings:
    """The settings that the options ask for.

    Args:
        options: Of the command.
        stain: Of the slide, as the cohort has it.

    Raises:
        InvalidValueError: An option is outside what is allowed, or contradicts another.
        MissingFileError: There is no such target.
    """
    from pathoai.preprocess.tiling_settings import TilingSettings
    from pathoai.tiling.spec import TileSpec

    mpp = options.tile_mpp or options.mpp or _TILE_MPP
    return TilingSettings(
        TileSpec(options.tile_size, mpp, options.overlap, options.min_tissue),
        mpp=options.mpp,
        encoding=options.encoding,
        compression=_COMPRESSIONS[options.compression],
        quality=options.quality,
        colour=options.colour,
        normalisation=_normalisation(options.normalise, options.target),
        tissue_method=options.tissue or (_HE_TISSUE if is_routine(stain) else _IHC_TISSUE),
        max_damaged=options.max_damaged,
        workers=options.workers,
        device=options.device,
    )


def _normalisation(method: str | None, target: Path | None) -> Mapping[str, Any] | None:
    if method is None:
        if target is not None:
            raise InvalidValueError("a target without a method", remedy="add --normalise METHOD")
        return None
    from pathoai.preprocess.stain.normalisation import profile_from_dict
    from pathoai.preprocess.stain.reference import reference_profile

    if target is None:
        return reference_profile(method).to_dict()
    try:
        found = profile_from_dict(json.loads(target.read_text("utf8")))
    except FileNotFoundError as error:
        raise MissingFileError("no such stain profile", where=target.name) from error
    except (ValueError, AttributeError) as error:
        raise InvalidValueError(
            "not a stain profile", where=target.name, found=str(error)
        ) from error
    if found.method != method:
        raise InvalidValueError(
            "the target was estimated by another method", found=found.method, allowed=method
        )
    return found.to_dict()
