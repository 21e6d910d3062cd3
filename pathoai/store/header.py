"""What a store says of itself, beside the OME-Zarr metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid, Mpp, Size

SCHEMA = 1
"""Raised when a reader of the old schema would misread a store of the new one."""

Encoding = Literal["resampled", "source"]


@dataclass(frozen=True, slots=True)
class StoreHeader:
    """Identity, scale and encoding of a store.

    Args:
        slide_id: Coded id.
        slide_width: Level-0 width of the slide's full canvas.
        slide_height: Level-0 height.
        slide_mpp_x: Scale of the slide's level 0.
        slide_mpp_y: Scale of the slide's level 0.
        mpp: Scale of the store.
        encoding: ``resampled``: pixels at ``mpp``; ``source``: the slide's own compressed tiles.
        tissue_method: How the tissue was found, outside which the store is empty.
        compression: Of the chunks, e.g. ``blosc-zstd``.
        source_sha256: Of the file that the slide came in.
        vendor: Of the scanner, as OpenSlide names it.
        objective_power: As the scanner says.
        quickhash: OpenSlide's hash of the slide.
    """

    slide_id: str
    slide_width: int
    slide_height: int
    slide_mpp_x: float
    slide_mpp_y: float
    mpp: float
    encoding: Encoding = "resampled"
    tissue_method: str = "otsu"
    compression: str = "blosc-zstd"
    source_sha256: str = ""
    vendor: str = "unknown"
    objective_power: float | None = None
    quickhash: str | None = None

    def __post_init__(self) -> None:
        """Refuse impossible scales and unknown encodings."""
        Mpp.square(self.mpp)
        if self.encoding not in ("resampled", "source"):
            raise InvalidValueError(
                "unknown encoding", found=self.encoding, allowed="resampled, source"
            )

    @property
    def slide_mpp(self) -> Mpp:
        """Scale of the slide's level 0."""
        return Mpp(self.slide_mpp_x, self.slide_mpp_y)

    @property
    def grid(self) -> Grid:
        """The store's finest raster over the slide."""
        return Grid.covering(Size(self.slide_width, self.slide_height), self.slide_mpp, self.mpp)

    def to_dict(self) -> dict[str, Any]:
        """As it is written into the store's attributes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> StoreHeader:
        """As it is read back.

        Raises:
            StoreError: Fields are missing or unknown.
        """
        try:
            return cls(**raw)
        except TypeError as error:
            raise StoreError("malformed store header", found=str(error)) from error
