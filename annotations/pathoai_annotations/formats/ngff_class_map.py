"""The class map beside the numbers of annotations: both say one thing, or one is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai.ontology import NOT_ASSESSED


def values_of_numbers(
    numbers: Mapping[int, Mapping[str, Any]], classes: Mapping[int, Mapping[str, Any]]
) -> dict[int, int]:
    """Number of each annotation → value of its class in the class map; -1 where it has none.

    Args:
        numbers: What the label of the numbers says of each.
        classes: What the class map says of its values.
    """
    value_of = {str(said.get("class")): value for value, said in classes.items()}
    return {number: value_of.get(str(said.get("class")), -1) for number, said in numbers.items()}


def refuse_other_classes(
    numbers: NDArray[Any], classes: NDArray[Any], values: Mapping[int, int], where: str
) -> None:
    """Refuse a part of the raster in which an annotation has another class than it says.

    Args:
        numbers: Of the annotations, ``(height, width)``, 0 where there is none.
        classes: Values of the class map, of the same pixels.
        values: As `values_of_numbers` gives them.
        where: The label's name.

    Raises:
        AnnotationError: They contradict each other.
    """
    if numbers.shape != classes.shape:
        raise _contradiction(f"{classes.shape} and {numbers.shape} pixels", where)
    wanted = np.full(numbers.shape, NOT_ASSESSED, np.int64)
    drawn = numbers > 0
    if drawn.any():
        known = np.array(sorted(values) or [0])
        value = np.array([values.get(number, -1) for number in known.tolist()])
        found = numbers[drawn]
        at = np.searchsorted(known, found).clip(max=len(known) - 1)
        wanted[drawn] = np.where(known[at] == found, value[at], -1)
    differing = np.count_nonzero(wanted != classes)
    if differing:
        raise _contradiction(f"{differing} pixels that differ", where)


def _contradiction(found: str, where: str) -> AnnotationError:
    return AnnotationError(
        "the class map and the numbers of the annotations contradict each other: one of them is "
        "damaged, or was edited alone",
        where=where,
        found=found,
        remedy="copy or export it again",
    )
