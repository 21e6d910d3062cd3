"""How long a reader's queue is, how large its regions are, and what it is mixed with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pathoai.errors import InvalidValueError
from pathoai_annotations.journal.region_reading import RegionKind


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What a study's reader can choose of his queue.

    Args:
        regions: How many regions of a slide that a model predicted.
        random_share: Share of those drawn at random, 0 to 1.
        control_share: Share of those in which the model is hidden, 0 to 1.
        side_um: Side of the regions, µm.
        screening_um: Side of the regions where no model ranks them, µm: about a field at ×20.

    Raises:
        InvalidValueError: A number is outside what is allowed.
    """

    regions: int = 20
    random_share: float = 0.1
    control_share: float = 0.1
    side_um: float = 256.0
    screening_um: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse what makes no queue."""
        if self.regions < 1:
            raise InvalidValueError("regions wanted", found=self.regions, allowed="1 or more")
        both = (self.random_share, self.control_share)
        if not all(0 <= share <= 1 for share in both) or sum(self.shares.values()) > 1:
            raise InvalidValueError(
                "shares of random regions and of controls",
                found=f"{self.random_share:g} and {self.control_share:g}",
                allowed="0 to 1 each, and 1 at most together",
            )
        for name, side in (("regions", self.side_um), ("fields", self.screening_um)):
            if not 16 <= side <= 10_000:
                raise InvalidValueError(f"side of {name}", found=side, allowed="16 to 10000 µm")

    @property
    def shares(self) -> dict[RegionKind, Fraction]:
        """The share of each kind; they sum to 1."""
        # As they were written: 0.1 in binary is more than a tenth, and would ask for one too many.
        random, control = Fraction(str(self.random_share)), Fraction(str(self.control_share))
        costly = max(Fraction(0), 1 - random - control)
        return {
            RegionKind.COSTLY: costly,
            RegionKind.RANDOM: random,
            RegionKind.CONTROL: control,
        }
