"""What is laid over the slide, and what the reader needs to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pathoai.heatmap.view import View
from pathoai.heatmap.words import Words
from pathoai.ontology import Ontology
from pathoai.store.slide_store import SlideStore

_SHADES = 256


@dataclass(frozen=True, slots=True)
class Tint:
    """Colour for some rows of a picture.

    Args:
        colour: ``(rows, width, 3)`` float32, 0 to 255, already multiplied by ``cover``.
        cover: ``(rows, width)`` float32: share of each pixel that is coloured.
    """

    colour: NDArray[np.float32]
    cover: NDArray[np.float32]

    def within(self, weight: NDArray[np.float32]) -> Tint:
        """Faded by a weight ``(rows, width)``, 0 to 1."""
        return Tint(self.colour * weight[..., None], self.cover * weight)

    def over(self, pixels: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
        """Rows of the slide ``(rows, width, 3)`` uint8 with the colour laid over them."""
        left = 1 - opacity * self.cover[..., None]
        return np.asarray(np.rint(pixels * left + opacity * self.colour), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One colour and what it stands for: a name, and beneath it a number."""

    colour: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class ColourScale:
    """Values as colours, of a map that is even to the eye and to readers of all colour visions.

    Args:
        largest: Value of the last colour; the first stands for 0.
        colour_map: Of matplotlib, e.g. ``viridis``.
    """

    largest: float
    colour_map: str

    def shades(self) -> NDArray[np.float32]:
        """All colours from 0 upward, ``(256, 3)`` float32, 0 to 255."""
        return _shades(self.colour_map)

    def tint(
        self, values: NDArray[np.floating], cover: NDArray[np.floating] | NDArray[np.bool_]
    ) -> Tint:
        """Values ``(rows, width)`` where ``cover`` is more than 0."""
        index = np.clip(values / self.largest * (_SHADES - 1), 0, _SHADES - 1)
        shown = np.asarray(cover, np.float32)
        colour = self.shades()[np.rint(index).astype(np.int64)] * shown[..., None]
        return Tint(colour, shown)


def rounded_up(value: float) -> float:
    """The next number of one or two digits, for the end of a scale; 1 for nothing."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(np.ceil(round(value / unit * 5, 9)) / 5 * unit)


@lru_cache(maxsize=4)
def _shades(name: str) -> NDArray[np.float32]:
    from matplotlib import colormaps

    rgba = colormaps[name](np.arange(_SHADES))
    return np.asarray(255 * rgba[:, :3], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed line.

    Args:
        xy_px: ``(N, 2)`` float64, in pixels of the picture.
        colour: ``#rrggbb``.
    """

    xy_px: NDArray[np.float64]
    colour: str


@dataclass(frozen=True, slots=True)
class Layer:
    """A map, ready to be drawn.

    Args:
        heading: What it shows.
        tint: Colours some rows; None for a map of outlines.
        legend: Its colours, where it has classes.
        scale: Its colours, where it has values.
        outlines: Lines over the picture.
        notes: What the caption must say of it.
        on_tissue: Its values mean nothing on glass, and are not shown there.
    """

    heading: str
    tint: Callable[[slice], Tint] | None = None
    legend: tuple[LegendEntry, ...] = ()
    scale: ColourScale | None = None
    outlines: tuple[Outline, ...] = ()
    notes: tuple[str, ...] = ()
    on_tissue: bool = False


@dataclass(frozen=True)
class Scene:
    """What every layer is made from.

    Args:
        store: The slide.
        ontology: Names and colours of classes.
        view: The picture.
        words: Its language.
    """

    store: SlideStore
    ontology: Ontology
    view: View
    words: Words

    @property
    def tissue_mm2(self) -> float:
        """Area of the tissue in the picture, mm²."""
        region = self.view.region
        share = self.store.tissue.fraction(
            np.array([region.x]), np.array([region.y]), (region.width, region.height)
        )
        return float(share[0]) * self.view.area_mm2
