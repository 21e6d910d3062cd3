"""How dark a nucleus is, in three steps, and the score that is made of them.

H-score: McCarty KS Jr, et al. Estrogen receptor analyses. Correlation of biochemical and
immunohistochemical methods using monoclonal antireceptor antibodies. Arch Pathol Lab Med 1985.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError

NAMES = ("negative", "weak", "moderate", "strong")


@dataclass(frozen=True, slots=True)
class IntensityBins:
    """From which amount of chromogen a nucleus is weak, moderate or strong.

    Args:
        weak: Optical density, natural logarithm; below it a nucleus is negative.
        moderate: Likewise.
        strong: Likewise.

    Raises:
        InvalidValueError: They do not rise from above 0.
    """

    weak: float
    moderate: float
    strong: float

    def __post_init__(self) -> None:
        """Refuse bins that are none."""
        if not 0 < self.weak < self.moderate < self.strong < float("inf"):
            raise InvalidValueError(
                "bins of intensity",
                found=f"{self.weak:g}, {self.moderate:g}, {self.strong:g}",
                allowed="0 < weak < moderate < strong",
            )

    @classmethod
    def of_threshold(cls, od: float) -> IntensityBins:
        """The default: weak from the slide's threshold, moderate from twice, strong from thrice.

        Args:
            od: From which amount the chromogen counts on the slide.
        """
        return cls(od, 2 * od, 3 * od)

    def of(self, amounts: NDArray[np.floating]) -> NDArray[np.int64]:
        """The bin of each nucleus ``(N,)``: 0 negative, 1 weak, 2 moderate, 3 strong."""
        return np.asarray(np.digitize(amounts, [self.weak, self.moderate, self.strong]), np.int64)


def h_score(counts: NDArray[np.integer]) -> float:
    """1 × % weak + 2 × % moderate + 3 × % strong, 0 to 300; NaN without any nucleus.

    Args:
        counts: ``(4,)``: nuclei that are negative, weak, moderate and strong.
    """
    total = int(counts.sum())
    return float(100 * (counts * np.arange(4)).sum() / total) if total else float("nan")
