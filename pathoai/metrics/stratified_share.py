"""The share of cases in a population of which each stratum was sampled for itself.

Cochran WG. Sampling Techniques, 3rd ed. 1977, chapter 5: the estimate is the mean of the strata's
shares, weighed by what each is of the population. Its limits are those of the strata, exact at a
level that leaves the wanted one to all of them together (Bonferroni): whatever the shares and the
numbers are, the population's share lies between them at least as often as the level says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pathoai.errors import InvalidValueError
from pathoai.metrics.exact_interval import Share


@dataclass(frozen=True, slots=True)
class SampledStratum:
    """A part of the population and what was seen in its sample.

    Args:
        weight: How much of the population it is, in any unit that all strata share.
        share: Of cases in a simple random sample of it; its level is not used.
    """

    weight: float
    share: Share


@dataclass(frozen=True, slots=True)
class StratifiedShare:
    """The share of cases in the whole population, with conservative limits.

    Args:
        strata: All of the population; those of weight 0 say nothing.
        level: Of confidence, two-sided.

    Raises:
        InvalidValueError: A negative weight, no weight at all, or a level outside 0 to 1.
    """

    strata: tuple[SampledStratum, ...]
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what is no population."""
        weights = [stratum.weight for stratum in self.strata]
        if any(not weight >= 0 for weight in weights) or not 0 < self.level < 1:
            raise InvalidValueError(
                "strata of a population",
                found=f"weights {weights} at {self.level:g}",
                allowed="weights ≥ 0, 0 < level < 1",
            )

    @property
    def value(self) -> float:
        """The estimate; NaN where a stratum was not sampled, or there is no population."""
        return self._weighed([s.share.value for s in self._present])

    @property
    def low(self) -> float:
        """Lower limit; 0 where nothing is known."""
        return self._weighed([one.low for one in self._exact]) if self._present else 0.0

    @property
    def high(self) -> float:
        """Upper limit; 1 where nothing is known."""
        return self._weighed([one.high for one in self._exact]) if self._present else 1.0

    @property
    def _present(self) -> list[SampledStratum]:
        return [stratum for stratum in self.strata if stratum.weight > 0]

    @property
    def _exact(self) -> list[Share]:
        level = 1 - (1 - self.level) / max(1, len(self._present))
        return [replace(stratum.share, level=level) for stratum in self._present]

    def _weighed(self, values: Sequence[float]) -> float:
        weights = [stratum.weight for stratum in self._present]
        if not weights:
            return float("nan")
        return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
