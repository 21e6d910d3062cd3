"""What is true of a generated slide: recipe, nuclei, regions, tissue, artefacts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.artefacts import ARTEFACT_KINDS, Artefact
from pathoai.testing.nuclei import NucleusTable, cell_map
from pathoai.testing.organs import ORGANS
from pathoai.testing.tissue_layout import TissueLayout

if TYPE_CHECKING:
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

Organ = Literal["breast", "cervix"]
Vendor = Literal["aperio", "generic-tiff"]


@dataclass(frozen=True)
class SlideRecipe:
    """What slide to make.

    Attributes:
        width: Width, level-0 px, at least 256.
        height: Height, level-0 px, at least 256.
        mpp: Micrometres per level-0 pixel, 0.1 to 2.
        seed: Everything random follows from it; 0 or more.
        organ: Kind of tissue.
        artefacts: Kinds of artefact to add, of `pen`, `fold`, `blur` and `bubble`.
        tissue_fraction: Share of the slide that is tissue, 0.05 to 0.7.
        vendor: Format, by OpenSlide's name.
        objective_power: Nominal magnification; None for 10 / mpp.
        lesions: Lesion regions that may occur; None for all that the organ knows, an empty
            tuple for a benign slide.
        pigment: Whether brown granules, as of hemosiderin or melanin, lie in the stroma.
    """

    width: int = 4096
    height: int = 4096
    mpp: float = 0.25
    seed: int = 0
    organ: Organ = "breast"
    artefacts: tuple[str, ...] = ()
    tissue_fraction: float = 0.55
    vendor: Vendor = "aperio"
    objective_power: float | None = None
    lesions: tuple[str, ...] | None = None
    pigment: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be painted."""
        _check_range("width", self.width, low=256, high=1_000_000)
        _check_range("height", self.height, low=256, high=1_000_000)
        _check_range("mpp", self.mpp, low=0.1, high=2.0)
        _check_range("seed", self.seed, low=0, high=2**63 - 1)
        _check_range("tissue_fraction", self.tissue_fraction, low=0.05, high=0.7)
        if self.objective_power is not None:
            _check_range("objective_power", self.objective_power, low=1, high=200)
        _check_choice("organ", (self.organ,), allowed=tuple(ORGANS))
        _check_choice("vendor", (self.vendor,), allowed=("aperio", "generic-tiff"))
        _check_choice("artefacts", self.artefacts, allowed=ARTEFACT_KINDS)
        _check_choice("lesions", self.lesions or (), allowed=ORGANS[self.organ].lesions)

    @property
    def magnification(self) -> float:
        """Nominal magnification that the file states."""
        return self.objective_power if self.objective_power is not None else 10.0 / self.mpp

    @property
    def code(self) -> str:
        """Coded name of the slide, the same for the same seed and organ."""
        return f"GEN-{self.organ.upper()}-{self.seed:06d}"


def _check_range(name: str, value: float, *, low: float, high: float) -> None:
    """Refuse a number outside its range."""
    whole = name in ("width", "height", "seed")
    if isinstance(value, bool) or (whole and int(value) != value) or not low <= value <= high:
        raise InvalidValueError(
            "a slide recipe holds a number that cannot be used",
            where=name,
            found=repr(value),
            allowed=f"{'whole numbers ' if whole else ''}{low} to {high}",
        )


def _check_choice(name: str, values: tuple[str, ...], *, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not known."""
    # A bare string would be read letter by letter.
    given: object = values
    unknown = [given] if isinstance(given, str) else [one for one in values if one not in allowed]
    if unknown:
        raise InvalidValueError(
            "a slide recipe holds a name that is not known",
            where=name,
            found=", ".join(map(repr, unknown)),
            allowed=", ".join(allowed),
        )


@dataclass(frozen=True, eq=False)
class TruthRegion:
    """One region of one class.

    Attributes:
        class_key: Class key.
        polygon: Outline with holes, level-0 px.
    """

    class_key: str
    polygon: Polygon


@dataclass(frozen=True, eq=False)
class SlideTruth:
    """What is true of a generated slide; coordinates are level-0 px, pixel edges at integers.

    Attributes:
        recipe: What was asked for.
        nuclei: All nuclei.
        regions: Regions of all classes, lumens left out as holes.
        tissue: Outline of the tissue; lumens inside it count as tissue.
        artefacts: Kind and outline of each artefact.
        layout: The fields that the slide is painted from.
        artefact_fields: The artefacts as they are painted.
    """

    recipe: SlideRecipe
    nuclei: NucleusTable = field(repr=False)
    regions: tuple[TruthRegion, ...] = field(repr=False)
    tissue: BaseGeometry = field(repr=False)
    artefacts: tuple[tuple[str, BaseGeometry], ...]
    layout: TissueLayout = field(repr=False)
    artefact_fields: tuple[Artefact, ...] = field(repr=False)

    def nuclei_instances(self, x: int, y: int, width: int, height: int) -> NDArray[np.int32]:
        """Render the instance mask of a rectangle.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) int32; 0 outside nuclei, else `nuclei.instance_id`. A pixel
            belongs to a nucleus when its centre does.
        """
        rows = self._nucleus_rows(x, y, width, height)
        return np.asarray(rows + 1, dtype=np.int32)

    def nuclei_classes(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Render the class mask of a rectangle.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) uint8; 0 outside nuclei, else 1 + position in `nuclei.class_keys`.
        """
        rows = self._nucleus_rows(x, y, width, height)
        # Row -1, outside, reads the zero appended at the end.
        values = np.append(self.nuclei.class_index + np.uint8(1), np.uint8(0))
        return np.asarray(values[rows], dtype=np.uint8)

    def _nucleus_rows(self, x: int, y: int, width: int, height: int) -> NDArray[np.int32]:
        """Row of the nucleus of each pixel (height, width), -1 outside."""
        cells = cell_map(self.nuclei, x=x, y=y, width=width, height=height, whole_cells=False)
        return np.where(cells.distance <= 0, cells.row, np.int32(-1))
