"""What a metric is, and what examining one says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pathoai_annotations.package.fair.documents import Documents

# What reading JSON raises that holds other types than it should, or names files that are none.
_ANOTHER_SHAPE = (OSError, ValueError, LookupError, TypeError, AttributeError)


class Verdict(StrEnum):
    """The outcome of one metric."""

    PASS = "PASS"
    NEEDS_REPOSITORY = "NEEDS-REPOSITORY"
    """Nothing is wrong with the package; only a repository can bring what is asked."""
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the FAIRsFAIR set, version 0.8.

    Args:
        identifier: As F-UJI names it.
        question: What it asks, in a few words.
        examine: What is wrong with the package; empty where nothing is.
        brought: Whether a repository already brought what only it can; None where the package
            itself is all that counts.
    """

    identifier: str
    question: str
    examine: Callable[[Documents], str]
    brought: Callable[[Documents], bool] | None = None


@dataclass(frozen=True, slots=True)
class FairRow:
    """A metric, examined.

    Args:
        metric: Its identifier.
        question: What it asks.
        verdict: The outcome.
        why: What was found wrong, or what the repository has to bring; empty where it passed.
    """

    metric: str
    question: str
    verdict: Verdict
    why: str

    def __str__(self) -> str:
        """One line."""
        tail = f": {self.why}" if self.why else ""
        return f"{self.metric:<13} {self.verdict:<17} {self.question}{tail}"


def row(metric: Metric, documents: Documents) -> FairRow:
    """Examine one metric; it fails where a description is of another shape than its standard's."""
    try:
        wrong = metric.examine(documents)
    except _ANOTHER_SHAPE:
        wrong = "a description is not of the shape that its standard gives it"
    verdict, why = Verdict.PASS, wrong
    if wrong:
        verdict = Verdict.FAIL
    elif metric.brought is not None and not metric.brought(documents):
        verdict, why = Verdict.NEEDS_REPOSITORY, "given when the package is deposited"
    return FairRow(metric.identifier, metric.question, verdict, why)
