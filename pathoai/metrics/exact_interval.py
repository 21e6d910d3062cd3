"""The exact interval of a share.

Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the
binomial. Biometrika 1934.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import beta

from pathoai.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Share:
    """A number of cases among all, with its exact interval.

    Args:
        count: Cases.
        total: Of all.
        level: Of confidence, two-sided.

    Raises:
        InvalidValueError: Negative, more than all, or a level outside 0 to 1.
    """

    count: int
    total: int
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.count <= self.total or not 0 < self.level < 1:
            raise InvalidValueError(
                "a share of cases",
                found=f"{self.count} of {self.total} at {self.level:g}",
                allowed="0 ≤ count ≤ total, 0 < level < 1",
            )

    @property
    def value(self) -> float:
        """Count over total; NaN where there are no cases at all."""
        return self.count / self.total if self.total else float("nan")

    @property
    def low(self) -> float:
        """Lower limit; 0 where no case was seen."""
        if not self.count:
            return 0.0
        return float(beta.ppf((1 - self.level) / 2, self.count, self.total - self.count + 1))

    @property
    def high(self) -> float:
        """Upper limit; 1 where every case was seen."""
        if self.count == self.total:
            return 1.0
        return float(beta.ppf((1 + self.level) / 2, self.count + 1, self.total - self.count))
