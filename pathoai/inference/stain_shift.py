"""How unlike the stain of training a slide's stain is."""

from __future__ import annotations

from typing import Any

from pathoai.errors import NoTissueError
from pathoai.models.bundle import ModelBundle
from pathoai.models.reference_statistics import ReferenceStatistics
from pathoai.preprocess.stain.stain_vector import stain_vector_of_store
from pathoai.store.slide_store import SlideStore

STAIN = "stain"
"""Key of a bundle's reference statistics: one vector per slide."""
UNUSUAL_PERCENTILE = 95.0
_FAR = 2.0
"""Times what is usual, where training slides are too few to show a 95th percentile."""


def stain_shift(store: SlideStore, bundle: ModelBundle) -> dict[str, Any] | None:
    """How far a slide's stain is from that of training, ready for JSON.

    Args:
        store: The slide.
        bundle: Of the model.

    Returns:
        None where the bundle does not say how training slides were stained.
    """
    if STAIN not in bundle.reference:
        return None
    statistics = ReferenceStatistics.from_dict(bundle.reference[STAIN])
    slides = len(statistics.distances)
    try:
        distance = statistics.distance(stain_vector_of_store(store)[None])
    except NoTissueError as error:
        return {"unknown": error.what, "reference_slides": slides}
    return {
        "distance": round(float(distance[0]), 6),
        "percentile": round(float(statistics.percentile(distance)[0]), 3),
        "farthest_reference": round(statistics.distances[-1], 6),
        "expected_distance": round(len(statistics.mean) ** 0.5, 6),
        "highest_percentile": round(statistics.highest_percentile, 3),
        "reference_slides": slides,
    }


def stain_warnings(stain: dict[str, Any] | None) -> list[str]:
    """A sentence where the stain is unusual, or could not be compared; nothing otherwise."""
    if stain is None:
        return []
    if "unknown" in stain:
        return [f"stain not compared with training: {stain['unknown']}"]
    slides, distance, farthest = (
        stain[key] for key in ("reference_slides", "distance", "farthest_reference")
    )
    # Of slides like the few, one in n + 1 would be farther than all: too many to warn of.
    few = stain["highest_percentile"] < UNUSUAL_PERCENTILE
    # A usual vector of P numbers is expected at √P; four slides that happen to be alike lie closer.
    far = _FAR * max(farthest, stain["expected_distance"])
    if distance < far if few else stain["percentile"] < UNUSUAL_PERCENTILE:
        return []
    return [
        f"unusual stain: at distance {distance:.3g} from the {slides} training slides, of which "
        f"the farthest is at {farthest:.3g}"
    ]
