"""How far a model's probabilities can be believed.

Temperature scaling: Guo C et al. On calibration of modern neural networks. ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathoai.errors import InvalidValueError

if TYPE_CHECKING:  # at run time only where something is computed: a bundle is read without it
    import torch


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against what came true, in bins of equal width of the winning probability.

    Args:
        confidence: Mean probability of each bin.
        accuracy: Share of pixels of each bin that were right.
        count: Pixels of each bin.
    """

    confidence: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    count: tuple[int, ...] = ()

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean distance of both, weighted by count."""
        total = sum(self.count)
        if not total:
            return float("nan")
        pairs = zip(self.confidence, self.accuracy, self.count, strict=True)
        return sum(abs(c - a) * n for c, a, n in pairs) / total


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns logits into probabilities, and how well that was seen to work.

    Args:
        temperature: Logits are divided by it; 1 where nothing was fitted.
        reliability: Measured on pixels that neither training nor fitting saw.
    """

    temperature: float = 1.0
    reliability: Reliability = Reliability()

    def __post_init__(self) -> None:
        """Refuse temperatures that turn the order of classes round."""
        if not self.temperature > 0:
            raise InvalidValueError("temperature", found=self.temperature, allowed="above 0")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Calibration:
        """As it is read from a bundle."""
        columns = {k: tuple(v) for k, v in raw["reliability"].items()}
        return cls(raw["temperature"], Reliability(**columns))

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities of logits ``(N, C, …)``, same shape."""
        import torch

        return torch.softmax(logits.float() / self.temperature, dim=1)


def fit_temperature(
    logits: torch.Tensor, target: torch.Tensor, *, readings: torch.Tensor | None = None
) -> float:
    """The temperature under which the logits explain the target best.

    Args:
        logits: ``(N, C)`` float, of pixels that training did not see.
        target: ``(N,)`` int64 channel of each.
        readings: ``(C, C)`` of :func:`pathoai.models.reader_noise.reading_matrix`, where the target
            is what readers said and the logits are of what is true.
    """
    import torch

    from pathoai.models.reader_noise import log_readings

    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    values = logits.detach().double()
    optimiser = torch.optim.LBFGS([log_temperature], lr=0.1, max_iter=50)

    def loss_of() -> torch.Tensor:
        optimiser.zero_grad()
        found = torch.log_softmax(values / log_temperature.exp(), dim=1)
        if readings is not None:
            found = log_readings(found, readings)
        loss = torch.nn.functional.nll_loss(found, target)
        loss.backward()
        return loss

    optimiser.step(loss_of)
    return float(log_temperature.detach().exp().clamp(0.05, 20.0))


def measure_reliability(
    probabilities: torch.Tensor, target: torch.Tensor, *, bins: int = 15
) -> Reliability:
    """Compare confidence with outcome.

    Args:
        probabilities: ``(N, C)`` float.
        target: ``(N,)`` int64.
        bins: Number of bins between 0 and 1; empty ones are left out.
    """
    import torch

    confidence, winner = probabilities.max(dim=1)
    right = (winner == target).double()
    where = (confidence * bins).long().clamp(0, bins - 1)
    count = torch.bincount(where, minlength=bins)
    sums = [
        torch.bincount(where, weights=values.double(), minlength=bins)
        for values in (confidence, right)
    ]
    filled = count > 0
    mean_confidence, accuracy = (s[filled] / count[filled] for s in sums)
    return Reliability(
        tuple(mean_confidence.tolist()), tuple(accuracy.tolist()), tuple(count[filled].tolist())
    )
