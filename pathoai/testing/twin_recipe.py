"""What restained twin of a generated slide to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from pathoai.errors import InvalidValueError
from pathoai.testing.ihc_staining import MARKERS


class TwinOptions(TypedDict, total=False):
    """What may be told of a twin, by keyword; see `TwinRecipe`."""

    marker: str
    rotation_degrees: float
    translation_um: tuple[float, float]
    warp_um: float
    seed: int
    mirrored: bool
    scale: float
    wavelength_um: float | None
    partial: float
    tears: int
    folds: int


@dataclass(frozen=True, kw_only=True)
class TwinRecipe:
    """How a restained twin differs from its H&E slide.

    Attributes:
        marker: Antibody, of `MARKERS`.
        rotation_degrees: Rotation of the twin, clockwise on screen.
        translation_um: Move along x and y, micrometres.
        warp_um: Largest displacement by the warp along either axis, micrometres.
        seed: Seed of the warp, of damages and of the cells that bind the antibody.
        mirrored: Whether the section lies upside down, left and right exchanged.
        scale: Pixels of the twin per pixel of the H&E slide, 0.25 to 4: its mpp is the H&E
            slide's divided by this.
        wavelength_um: About how long the waves of the warp are, never shorter than is gentle;
            None for about the length of the slide.
        partial: Share of the scan that is left off at one side, 0 to 0.8.
        tears: How many tears the section got when it was washed, up to 20.
        folds: How many flaps of it were folded over, up to 20.
    """

    marker: str = "AE1AE3"
    rotation_degrees: float = 5.0
    translation_um: tuple[float, float] = (40.0, -25.0)
    warp_um: float = 8.0
    seed: int = 0
    mirrored: bool = False
    scale: float = 1.0
    wavelength_um: float | None = None
    partial: float = 0.0
    tears: int = 0
    folds: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.marker not in MARKERS:
            raise InvalidValueError(
                "the marker is not known",
                where="marker",
                found=self.marker,
                allowed=", ".join(MARKERS),
            )
        _check_range("warp_um", self.warp_um, low=0.0, high=1000.0)
        _check_range("scale", self.scale, low=0.25, high=4.0)
        _check_range("wavelength_um", self.wavelength_um or 1.0, low=1.0, high=1e6)
        _check_range("partial", self.partial, low=0.0, high=0.8)
        _check_range("tears", self.tears, low=0, high=20)
        _check_range("folds", self.folds, low=0, high=20)


def _check_range(name: str, value: float, *, low: float, high: float) -> None:
    """Refuse a number outside its range, and one that is none."""
    if not low <= value <= high:
        raise InvalidValueError(
            "a twin cannot be made so",
            where=name,
            found=value,
            allowed=f"{low:g} to {high:g}",
        )
