"""The organs that slides can be generated of; a new one is a new entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pathoai.testing import breast_layout, cervix_layout
from pathoai.testing.nucleus_placement import Population
from pathoai.testing.tissue_layout import Grid, TissueLayout


class LayoutBuilder(Protocol):
    """Lays out the tissue of one organ."""

    def __call__(
        self,
        grid: Grid,
        generator: np.random.Generator,
        *,
        fraction: float,
        lesions: tuple[str, ...],
    ) -> TissueLayout:
        """Return all fields of a slide whose tissue covers `fraction` of it."""


@dataclass(frozen=True)
class OrganPlan:
    """How slides of one organ are made.

    Attributes:
        regions: Class keys of its regions.
        lesions: Those that are lesions.
        layout: Lays out the tissue.
        populations: Says which nuclei live where.
    """

    regions: tuple[str, ...]
    lesions: tuple[str, ...]
    layout: LayoutBuilder
    populations: Callable[[TissueLayout], list[Population]]


ORGANS: dict[str, OrganPlan] = {
    "breast": OrganPlan(
        regions=breast_layout.REGIONS,
        lesions=("invasive_nst", "dcis"),
        layout=breast_layout.breast_layout,
        populations=breast_layout.breast_populations,
    ),
    "cervix": OrganPlan(
        regions=cervix_layout.REGIONS,
        lesions=("lsil", "hsil", "invasive_scc"),
        layout=cervix_layout.cervix_layout,
        populations=cervix_layout.cervix_populations,
    ),
}
