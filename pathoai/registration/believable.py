"""The rule that refuses: do two slides show the same section?

Squares of tissue are sought each by itself. On the same section they agree with one map; on two
sections they answer at random, and a map through random answers pleases few of them. Likeness of
the whole images would not do: it is high for any two sections of a similar outline, and says little
of the error (Rohlfing, IEEE Trans Med Imaging 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.errors import AlignmentError
from pathoai.registration.agreement import Evidence


@dataclass(frozen=True, slots=True)
class Belief:
    """How much must speak for a map, at one scale.

    Args:
        squares: So many at least: they overlap their neighbours, so a few of them are one witness,
            and two small sections of a similar outline please most of nine.
        share: Of the squares that agree.
        strength: Nats against chance: the search has tried many maps, and takes the best.
    """

    squares: int
    share: float
    strength: float


SAME_SECTION = Belief(squares=20, share=0.3, strength=15.0)
NEIGHBOURS = Belief(squares=8, share=0.2, strength=20.0)
"""Neighbouring sections are alike at coarse scales only, at which there are fewer squares. Sections
of two lesions or two organs had 15 nats at most, neighbouring ones 25 or more."""


def is_believable(evidence: Evidence, belief: Belief = SAME_SECTION) -> bool:
    """Whether two slides show the same section, by what speaks for the map between them."""
    return any(
        level.squares >= belief.squares
        and level.share >= belief.share
        and level.strength >= belief.strength
        for level in evidence.levels
    )


def check_believable(
    evidence: Evidence, *, fixed: str, moving: str, belief: Belief = SAME_SECTION
) -> None:
    """Refuse a map that too little speaks for.

    Args:
        evidence: What speaks for it.
        fixed: Coded id of the one slide.
        moving: Coded id of the other.
        belief: How much must.

    Raises:
        AlignmentError: The slides do not show the same section, or too little of it.
    """
    if is_believable(evidence, belief):
        return
    best = evidence.best
    raise AlignmentError(
        "the two slides do not show the same section, or too little of it",
        where=f"{fixed}--{moving}",
        found=f"{best.agreeing} of {best.squares} squares of tissue ({best.share:.0%}) lie within "
        f"{best.tolerance_um:.0f} µm of where the best alignment says; {best.chance:.0%} would by "
        f"chance (evidence {best.strength:.0f})",
        allowed=f"{belief.share:.0%} or more of at least {belief.squares} squares, and evidence of "
        f"{belief.strength:.0f} or more",
        remedy="look at both slides: correct the column pair of the cohort, or leave the pair out",
    )
