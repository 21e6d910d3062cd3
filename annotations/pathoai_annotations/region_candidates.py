"""Regions of a predicted slide, with what the model says of each and whether anyone judged it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid
from pathoai.metrics.expected_cost import CostMatrix, load_costs, shipped_costs
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.store.label_image import LabelImage
from pathoai.tissue.mask import TissueMask
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.review_queue import CandidateRegions

_LEAST_ASSESSED = 0.25
_PIXELS_ACROSS = 16
"""A region is looked at by at least so many pixels across, each the mean of what lies below it."""


@dataclass(frozen=True, slots=True)
class GradeCosts:
    """What wrong classes of a model cost.

    Args:
        costs: By grade.
        grades: Of each class of the model after background, its position in the matrix; None where
            it is no grade, such as stroma.

    Raises:
        InvalidValueError: The model tells fewer than two grades.
    """

    costs: CostMatrix
    grades: tuple[int | None, ...]

    def __post_init__(self) -> None:
        """Refuse costs that weigh nothing."""
        if len({grade for grade in self.grades if grade is not None}) < 2:
            raise InvalidValueError(
                "the costs weigh fewer than two classes of the model",
                where=f"costs {self.costs.key}",
                allowed=f"classes of two or more grades: {', '.join(self.costs.classes)}",
            )

    @classmethod
    def of(cls, costs: CostMatrix, ontology: Ontology, classes: Sequence[str]) -> GradeCosts:
        """The costs of a model's classes, which are matched by name, or else by grade."""
        grades = tuple(
            costs.classes.index(key) if key in costs.classes else ontology[key].grade
            for key in classes
        )
        known = range(len(costs.classes))
        return cls(costs, tuple(grade if grade in known else None for grade in grades))

    def of_pixels(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The least expected cost of each pixel ``(H, W)``, of probabilities ``(K, H, W)``.

        They are not scaled to 1 among grades: where there is hardly tissue of any grade, a wrong
        one costs hardly anything.
        """
        graded = [(at, grade) for at, grade in enumerate(self.grades) if grade is not None]
        channels, truth = [at for at, _ in graded], [grade for _, grade in graded]
        matrix = self.costs.array[np.ix_(truth, sorted(set(truth)))].astype(np.float32)
        expected = np.einsum("thw,td->dhw", probabilities[channels], matrix)
        return np.asarray(expected.min(axis=0))


@dataclass(frozen=True, slots=True)
class RegionSpec:
    """How a prediction is cut into regions.

    Args:
        side_um: Side of the squares.
        costs: What wrong classes cost; the model's uncertainty counts where None.
    """

    side_um: float = 256.0
    costs: GradeCosts | None = None

    def __post_init__(self) -> None:
        """Refuse sides that no reader could look at."""
        if not 16 <= self.side_um <= 10_000:
            raise InvalidValueError("side of regions", found=self.side_um, allowed="16 to 10000 µm")


def costs_of(ontology: Ontology, classes: Sequence[str]) -> GradeCosts | None:
    """The shipped costs of an ordinal ontology, where a model tells two or more of its grades."""
    if len({grade for key in classes if (grade := ontology[key].grade) is not None}) > 1:
        for key in shipped_costs():
            if (costs := load_costs(key)).ontology == ontology.key:
                return GradeCosts.of(costs, ontology, classes)
    return None


def regions_of_slide(
    label: LabelImage,
    slide_id: str,
    spec: RegionSpec,
    judged: Sequence[Annotation],
    tissue: TissueMask | None = None,
) -> CandidateRegions:
    """The squares of a slide of which at least a quarter was predicted, and which hold tissue.

    Args:
        label: The prediction.
        slide_id: The slide.
        spec: Size and costs.
        judged: What pathologists judged on the slide.
        tissue: Where there is some; what a model says of glass costs nothing. All that was
            predicted where None.

    Raises:
        StoreError: The prediction holds no uncertainty, or is damaged.
    """
    if not (label.probability_channels and label.uncertainty_channels):
        raise StoreError(
            "the prediction holds no uncertainty",
            where=f"{slide_id} {label.name}",
            remedy="predict again with `pathoai predict`",
        )
    level = _level(label, spec.side_um)
    side = max(1, round(spec.side_um / label.mpp / (label.factors[level] / label.factors[0])))
    assessed = label.read_all(level) != NOT_ASSESSED
    with label.reading():
        foreground = np.asarray(np.asarray(label.probability(level)) / 255, np.float32)
    sums = _Squares(side, assessed)
    background = np.clip(1 - foreground.sum(axis=0), 0, 1)
    shares = np.stack([sums.mean(plane) for plane in (background, *foreground)], axis=1)
    grid = label.grid(level)
    on_tissue = _on_tissue(tissue, grid)
    cost = sums.mean(_cost(label, level, foreground, spec.costs) * on_tissue)
    wanted = (sums.share >= _LEAST_ASSESSED) & (sums.mean(on_tissue) > 0)
    rows, columns = np.divmod(np.flatnonzero(wanted), sums.width)
    at = rows * sums.width + columns
    step = np.array([grid.downsample_x, grid.downsample_y]) * side
    corner = np.stack([columns, rows], axis=1) * step
    bounds = np.concatenate([corner, np.broadcast_to(step, corner.shape)], axis=1)
    return CandidateRegions(
        (slide_id,),
        np.zeros(len(at), np.int32),
        bounds,
        shares[at].astype(np.float32),
        cost[at].astype(np.float32),
        _judged(bounds, judged),
    )


def joined(parts: Sequence[CandidateRegions]) -> CandidateRegions:
    """Regions of several slides, one below the other."""
    counts = [len(part) for part in parts]
    return CandidateRegions(
        tuple(slide_id for part in parts for slide_id in part.slide_ids),
        np.repeat(np.arange(len(parts), dtype=np.int32), counts),
        np.concatenate([part.bounds for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.cost for part in parts]),
        np.concatenate([part.judged for part in parts]),
    )


def _level(label: LabelImage, side_um: float) -> int:
    """The coarsest level at which a region is still looked at closely enough."""
    mpp = [label.mpp * factor / label.factors[0] for factor in label.factors]
    fine = [level for level, one in enumerate(mpp) if one * _PIXELS_ACROSS <= side_um]
    return max(fine, default=0)


def _cost(
    label: LabelImage, level: int, foreground: NDArray[np.float32], costs: GradeCosts | None
) -> NDArray[np.float32]:
    """Of each pixel ``(H, W)``: the least expected cost; without a matrix, the entropy."""
    if costs is None:
        at = label.uncertainty_channels.index("entropy")
        with label.reading():
            return np.asarray(np.asarray(label.uncertainty(level)[at]) / 255, np.float32)
    return costs.of_pixels(foreground)


def _on_tissue(tissue: TissueMask | None, grid: Grid) -> NDArray[np.float32]:
    """1 on tissue and 0 elsewhere, ``(H, W)`` at the pixels of a raster."""
    height, width = grid.size_px.height, grid.size_px.width
    if tissue is None:
        return np.ones((height, width), np.float32)
    return tissue.on_grid(grid, slice(0, height), slice(0, width)).astype(np.float32)


class _Squares:
    """Sums over the squares of an image, over its assessed pixels only."""

    def __init__(self, side: int, assessed: NDArray[np.bool_]) -> None:
        self._side, self._assessed = side, assessed
        self._count = self._sum(assessed.astype(np.float64))
        self.width = self._count.shape[1]
        self.share = self._count.ravel() / side**2

    def mean(self, plane: NDArray[np.float32]) -> NDArray[np.float64]:
        total = self._sum(np.where(self._assessed, plane, 0).astype(np.float64))
        return np.asarray((total / np.maximum(self._count, 1)).ravel())

    def _sum(self, plane: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, columns = (np.arange(0, length, self._side) for length in plane.shape)
        return np.asarray(np.add.reduceat(np.add.reduceat(plane, rows, 0), columns, 1))


def _judged(bounds: NDArray[np.float64], judged: Sequence[Annotation]) -> NDArray[np.bool_]:
    found = np.zeros(len(bounds), bool)
    if judged and len(bounds):
        x, y, width, height = bounds.T
        squares = shapely.box(x, y, x + width, y + height)
        tree = shapely.STRtree(squares)
        _, touched = tree.query([a.geometry for a in judged], predicate="intersects")
        found[touched] = True
    return found
