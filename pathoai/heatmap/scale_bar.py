"""A scale bar of a round length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathoai.heatmap.words import Words

_LARGEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A length on the picture.

    Args:
        length_um: 1, 2 or 5 times a power of ten.
        length_px: The same in pixels of the picture.
    """

    length_um: float
    length_px: float

    @classmethod
    def within(cls, width_px: int, mpp: float) -> ScaleBar:
        """The longest that spans a quarter of the picture at most."""
        room = _LARGEST_SHARE * width_px * mpp
        power = 10.0 ** np.floor(np.log10(room))
        length = max(n * power for n in (1, 2, 5) if n * power <= room * (1 + 1e-9))
        return cls(float(length), float(length / mpp))

    def text(self, words: Words) -> str:
        """The length with its unit."""
        if self.length_um >= 1000:
            return f"{words.plain(self.length_um / 1000)} mm"
        return f"{words.plain(self.length_um)} µm"
