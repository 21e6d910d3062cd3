"""What a store says of itself, beside the OME-Zarr metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.store.chunk_coding import LOSSLESS, WHOLE_COLOURS, ChunkCoding
from pathoai.store.pyramid import level_factors
from pathoai.store.shards import CHUNK_PX, SHARD_PX

SCHEMA = 2
"""Raised when a reader of the old schema would misread a store of the new one."""

Encoding = Literal["resampled", "source"]
Colour = Literal["scanner", "srgb"]
ICC_PROFILE = "icc_profile"
"""The array of the store that holds the slide's ICC profile, byte by byte."""
_COPIED_SHARD_PX = 4096
"""Compressed tiles are small: larger shards make fewer files of a slide."""


@dataclass(frozen=True, slots=True)
class CopiedLevel:
    """A level of the slide whose compressed tiles are the store's chunks.

    Args:
        factor: Pixels of the finest level per pixel.
        width: Of the level, in its own pixels.
        height: Likewise.
        tile_px: Side of the slide's tiles, and so of the chunks.
        compression: ``jpeg`` or ``jpeg2k``.
    """

    factor: int
    width: int
    height: int
    tile_px: int
    compression: str


@dataclass(frozen=True, slots=True)
class LevelLayout:
    """How one level of a store's image, or of a label, is stored.

    Args:
        factor: Pixels of the image's finest level per pixel; of a label it may be no whole number.
        size_px: Of the level, in its own pixels.
        chunk_px: Side of its chunks.
        shard_px: Side of its shards, a multiple of it.
        coding: Compression of its chunks.
    """

    factor: int | float
    size_px: Size
    chunk_px: int
    shard_px: int
    coding: ChunkCoding


@dataclass(frozen=True, slots=True)
class StoreHeader:
    """Identity, scale and encoding of a store.

    Args:
        slide_id: Coded id.
        slide_width: Level-0 width of the slide's full canvas.
        slide_height: Level-0 height.
        slide_mpp_x: Scale of the slide's level 0.
        slide_mpp_y: Scale of the slide's level 0.
        mpp: Scale of the store; for the source encoding the mean of the slide's.
        encoding: ``resampled``: pixels at ``mpp``; ``source``: the slide's own compressed tiles.
        tissue_method: How the tissue was found, outside which the store is empty.
        compression: Of the chunks that pathoai encoded itself; see ``ChunkCoding``.
        quality: Of JPEG likewise.
        subsampling: Of the colours of the finest level's JPEG: as the slide's own at its own scale.
        copied: The levels of the source encoding that were copied, finest first.
        colour: ``scanner``: as the file has it; ``srgb``: what is read was converted to sRGB by
            the slide's ICC profile.
        icc_sha256: Of that profile, kept in the array ``icc_profile``; empty where there is none.
        normalisation: The stain normalisation of the pixels, where there was one.
        made_on: What made new pixels: ``cpu``, or the kind of device, with the parts of JPEG that
            it did too, e.g. ``cuda+nvjpeg-decoder``. Devices differ by a few grey levels.
        source_sha256: Of the file that the slide came in.
        vendor: Of the scanner, as OpenSlide names it.
        objective_power: As the scanner says.
        quickhash: OpenSlide's hash of the slide.
        bounds: x, y, width and height of the scanned part of the canvas, level-0 pixels, where the
            slide's file states it.
    """

    slide_id: str
    slide_width: int
    slide_height: int
    slide_mpp_x: float
    slide_mpp_y: float
    mpp: float
    encoding: Encoding = "resampled"
    tissue_method: str = "otsu"
    compression: str = LOSSLESS
    quality: int = 90
    subsampling: str = WHOLE_COLOURS
    copied: tuple[CopiedLevel, ...] = ()
    colour: Colour = "scanner"
    icc_sha256: str = ""
    normalisation: Mapping[str, Any] | None = None
    made_on: str = "cpu"
    source_sha256: str = ""
    vendor: str = "unknown"
    objective_power: float | None = None
    quickhash: str | None = None
    bounds: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse impossible scales, unknown encodings and levels that do not nest."""
        Mpp.square(self.mpp)
        for name, found, allowed in (
            ("encoding", self.encoding, get_args(Encoding)),
            ("colour", self.colour, get_args(Colour)),
        ):
            if found not in allowed:
                raise InvalidValueError(f"unknown {name}", found=found, allowed=", ".join(allowed))
        factors = [level.factor for level in self.copied]
        if bool(factors) != (self.encoding == "source") or factors[:1] not in ([], [1]):
            raise InvalidValueError("copied levels start at the finest", found=factors)
        if any(coarse % fine or coarse <= fine for fine, coarse in pairwise(factors)):
            raise InvalidValueError("levels must be multiples of each other", found=factors)

    @property
    def slide_mpp(self) -> Mpp:
        """Scale of the slide's level 0."""
        return Mpp(self.slide_mpp_x, self.slide_mpp_y)

    @property
    def grid(self) -> Grid:
        """The store's finest raster over the slide."""
        size = Size(self.slide_width, self.slide_height)
        if self.encoding == "source":
            return Grid(size, 1.0, 1.0)
        return Grid.covering(size, self.slide_mpp, self.mpp)

    @property
    def pixel_mpp(self) -> Mpp:
        """Scale of the store's finest pixels along each axis."""
        return self.slide_mpp if self.encoding == "source" else Mpp.square(self.mpp)

    @property
    def factors(self) -> tuple[int, ...]:
        """Pixels of the finest level per pixel of each level."""
        return level_factors(self.grid.size_px, [level.factor for level in self.copied] or [1])

    @property
    def layout(self) -> tuple[LevelLayout, ...]:
        """How each level is stored, finest first."""
        copied = {level.factor: level for level in self.copied}
        return tuple(self._level(factor, copied.get(factor)) for factor in self.factors)

    def _level(self, factor: int, copied: CopiedLevel | None) -> LevelLayout:
        if copied is None:
            size = self.grid.coarser(factor).size_px
            # At half the scale colours that were halved are whole.
            subsampling = self.subsampling if factor == 1 else WHOLE_COLOURS
            coding = ChunkCoding(self.compression, self.quality, subsampling)
            return LevelLayout(factor, size, CHUNK_PX, SHARD_PX, coding)
        shard_px = max(1, _COPIED_SHARD_PX // copied.tile_px) * copied.tile_px
        size, coding = Size(copied.width, copied.height), ChunkCoding(copied.compression)
        return LevelLayout(factor, size, copied.tile_px, shard_px, coding)

    def same_but_for_device(self, other: StoreHeader) -> bool:
        """True where both say the same of slide, scale and encoding, wherever it was made."""
        return replace(self, made_on=other.made_on, subsampling=other.subsampling) == other

    def to_dict(self) -> dict[str, Any]:
        """As it is written into the store's attributes."""
        # Left out where there are none: stores made before there were bounds keep their identity.
        bounds = {} if self.bounds is None else {"bounds": list(self.bounds)}
        fields = {name: value for name, value in asdict(self).items() if name != "bounds"}
        return fields | {"copied": [asdict(level) for level in self.copied]} | bounds

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> StoreHeader:
        """As it is read back.

        Raises:
            StoreError: Fields are missing or unknown.
        """
        try:
            copied = tuple(CopiedLevel(**level) for level in raw["copied"])
            bounds = tuple(raw["bounds"]) if raw.get("bounds") else None
            return cls(**{**raw, "copied": copied, "bounds": bounds})
        except (TypeError, KeyError) as error:
            raise StoreError("malformed store header", found=str(error)) from error
