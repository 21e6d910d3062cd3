"""What a user asks of a written split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pathoai.errors import InvalidValueError
from pathoai_training.splits.linked_slides import Link


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How slides are dealt. The same plan of the same slides gives the same split.

    Args:
        by: What no two subsets may share.
        stratify: Whether subsets get like shares of each grade.
        test: Share of the slides that only ``evaluate`` may open; 0 for none.
        validation: Share of the slides in validation; 0 where folds say it.
        folds: Rounds of cross-validation: in each, another part is for validation. 1 for none.
        leave_one_centre_out: A round for each centre, whose slides are its test.
        seed: Of the order in which groups are dealt.
        assigned: Hash of the table that gives each slide its subset; nothing is dealt then.

    Raises:
        InvalidValueError: Shares leave nothing to train on, or parts contradict each other.
    """

    by: tuple[Link, ...]
    stratify: bool = False
    test: float = 0.2
    validation: float = 0.2
    folds: int = 1
    leave_one_centre_out: bool = False
    seed: int = 0
    assigned: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be dealt."""
        if not self.by or len(set(self.by)) < len(self.by):
            raise InvalidValueError(
                "--by", found=self.by, allowed="each of patient, block, centre once"
            )
        if self.folds < 1:
            raise InvalidValueError("--folds", found=self.folds, allowed="2 or more")
        if self.folds > 1 and self.leave_one_centre_out:
            raise InvalidValueError("--folds and --leave-one-centre-out exclude each other")
        for name, share, needed in (
            ("--test", self.test, False),
            ("--validation", self.validation, self.folds == 1 and not self.assigned),
        ):
            if not 0 <= share < 1 or (needed and share == 0):
                raise InvalidValueError(name, found=share, allowed="a share of the slides below 1")
        if self.folds > 1 and self.validation:
            raise InvalidValueError(
                "--validation", found=self.validation, allowed="nothing: with folds it is 1/folds"
            )
        if self.leave_one_centre_out and self.test:
            raise InvalidValueError(
                "--test", found=self.test, allowed="nothing: each centre is the test of its fold"
            )
        if self.test + self.validation >= 1:
            raise InvalidValueError(
                "--test and --validation leave nothing to train on",
                found=f"{self.test:g} + {self.validation:g}",
                allowed="a sum below 1",
            )

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the hash of a table only where there is one, as older splits have none."""
        table = {"assigned": self.assigned} if self.assigned else {}
        return table | {
            "by": [str(link) for link in self.by],
            "stratify": self.stratify,
            "test": self.test,
            "validation": self.validation,
            "folds": self.folds,
            "leave_one_centre_out": self.leave_one_centre_out,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> SplitPlan:
        """From JSON.

        Raises:
            ValueError: Or TypeError, KeyError, InvalidValueError: it is no plan.
        """
        return cls(**raw | {"by": tuple(Link(link) for link in raw["by"])})
