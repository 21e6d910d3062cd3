"""The rule that refuses: do two slides show the same section?

Squares of tissue are sought each by itself. On the same section they agree with one map; on two
sections they answer at random, and a map through random answers pleases few of them. Likeness of
the whole images would not do: it is high for any two sections of a similar outline, and says little
of the error (Rohlfing, IEEE Trans Med Imaging 2012).
"""

from __future__ import annotations

from pathoai.errors import AlignmentError
from pathoai.registration.agreement import Evidence

LEAST_SHARE = 0.3
"""Of the squares, at the scale that speaks most for the map."""
LEAST_STRENGTH = 15.0
"""Nats against chance at that scale: the search has tried many maps, and takes the best."""
LEAST_SQUARES = 20
"""At that scale: squares overlap their neighbours, so a few of them are one witness, and two small
sections of a similar outline please most of nine."""


def is_believable(evidence: Evidence) -> bool:
    """Whether two slides show the same section, by what speaks for the map between them."""
    return any(
        level.squares >= LEAST_SQUARES
        and level.share >= LEAST_SHARE
        and level.strength >= LEAST_STRENGTH
        for level in evidence.levels
    )


def check_believable(evidence: Evidence, *, fixed: str, moving: str) -> None:
    """Refuse a map that too little speaks for.

    Args:
        evidence: What speaks for it.
        fixed: Coded id of the one slide.
        moving: Coded id of the other.

    Raises:
        AlignmentError: The slides do not show the same section, or too little of it.
    """
    if is_believable(evidence):
        return
    best = evidence.best
    raise AlignmentError(
        "the two slides do not show the same section, or too little of it",
        where=f"{fixed}--{moving}",
        found=f"{best.agreeing} of {best.squares} squares of tissue ({best.share:.0%}) lie within "
        f"{best.tolerance_um:.0f} µm of where the best alignment says; {best.chance:.0%} would by "
        f"chance (evidence {best.strength:.0f})",
        allowed=f"{LEAST_SHARE:.0%} or more of at least {LEAST_SQUARES} squares, and evidence of "
        f"{LEAST_STRENGTH:.0f} or more",
        remedy="look at both slides: correct the column pair of the cohort, or leave the pair out",
    )
