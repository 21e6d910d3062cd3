"""How slides become stores: what a user may choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pathoai import entry_points
from pathoai.errors import InvalidValueError
from pathoai.geometry import Mpp
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.header import Colour
from pathoai.tiling.spec import TileSpec
from pathoai.tissue.mask import GROUP as TISSUE_METHODS

WantedEncoding = Literal["auto", "source", "resampled"]


@dataclass(frozen=True, slots=True)
class TilingSettings:
    """How slides become stores.

    Args:
        spec: The tiles whose index is kept; the store serves any others too.
        mpp: Scale to resample to; None keeps the slide's own.
        encoding: ``source`` copies the slide's compressed tiles, ``resampled`` makes new pixels,
            ``auto`` copies where nothing asks for new pixels and the slide allows it.
        compression: Of pixels made here; see ``ChunkCoding``.
        quality: Of JPEG made here, 1 to 100.
        normalisation: The stain profile that pixels shall have, as its ``to_dict`` gives it; its
            ``method`` says how. See ``pathoai.preprocess.stain``.
        colour: ``srgb`` to hand out pixels converted by the slide's ICC profile.
        tissue_method: Name in the entry-point group ``pathoai.tissue_methods``.
        max_damaged: Share of level 0's chunks that may be damaged, 0 to 1.
        workers: Threads that read and decode.
        device: Where pixels are resampled: auto, cpu, cuda, …
    """

    spec: TileSpec = field(default_factory=TileSpec)
    mpp: float | None = None
    encoding: WantedEncoding = "auto"
    compression: str = "jpeg"
    quality: int = 90
    colour: Colour = "scanner"
    normalisation: Mapping[str, Any] | None = None
    tissue_method: str = "otsu"
    max_damaged: float = 0.001
    workers: int = 2
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be, before any slide is opened."""
        entry_points.load(TISSUE_METHODS, self.tissue_method)
        ChunkCoding(self.compression, self.quality)
        if self.mpp is not None:
            Mpp.square(self.mpp)
        if self.encoding not in get_args(WantedEncoding):
            raise InvalidValueError(
                "unknown encoding",
                found=repr(self.encoding),
                allowed=", ".join(get_args(WantedEncoding)),
            )
        if self.encoding == "source" and self.makes_pixels:
            raise InvalidValueError(
                "the source encoding keeps the slide's own pixels",
                found=f"mpp {self.mpp:g}" if self.mpp else "a normalisation",
                remedy="leave that out, or choose the resampled encoding",
            )
        if not 0 <= self.max_damaged <= 1:
            raise InvalidValueError("share of damage", found=self.max_damaged, allowed="0 to 1")
        if self.workers < 1:
            raise InvalidValueError("workers", found=self.workers, allowed="1 or more")

    @property
    def makes_pixels(self) -> bool:
        """True where the slide's own pixels will not do."""
        return self.mpp is not None or self.normalisation is not None

    @property
    def on_cpu(self) -> bool:
        """True where no GPU is wanted, or none is here; asks torch only where it matters."""
        if self.device == "cpu":
            return True
        try:
            from pathoai.preprocess.device import choose_device
        except ModuleNotFoundError:
            if self.device == "auto":
                return True
            raise
        return choose_device(self.device).type == "cpu"
