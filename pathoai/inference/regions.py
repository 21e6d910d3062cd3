"""The regions of a slide that a model names one by one, and where they come from.

A source is a function from a slide's place, its store and a bundle to :class:`Regions`. Sources are
registered in the entry-point group ``pathoai.region_sources``; besides, any label that has objects
(``prediction/<model>``) is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai import entry_points
from pathoai.errors import InvalidValueError, StudyError
from pathoai.models.bundle import ModelBundle
from pathoai.provenance import sha256_of_file
from pathoai.store.objects import read_objects
from pathoai.store.region_views import DAMAGED, OFF_SLIDE, place_regions
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace

GROUP = "pathoai.region_sources"
ANNOTATIONS = "annotations"
AREAS = "areas"
"""Sources that only a study has: whatever was annotated, and what is larger than cells."""
_BAND_PX = 1024
"""Regions are read in bands of so many pixels, so that a chunk is decoded for many at once."""


@dataclass(frozen=True, slots=True)
class Squares:
    """Regions that tile a label.

    Args:
        factor: Store pixels per pixel of the label.
        across: Pixels of the label along the side of a region.
        rows: ``(N,)`` int64 row of each region, counted in regions.
        columns: ``(N,)`` int64 column likewise.
    """

    factor: int
    across: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions of one slide, in columns.

    Args:
        outlines: ``(N,)`` shapely geometries, level-0 pixels; the centre of its bounds is where the
            model looks.
        about: Ready for JSON: ``source``, in words, and ``sha256`` of what was found there.
        ids: ``(N,)`` text, identities of annotations; None where they are none.
        squares: Where they lie in a label; None where they do not tile the slide.
        left_out: Reason → how many serve nothing.
        labels: ``(N,)`` text, keys of the classes of annotations; None where they are none.
    """

    outlines: NDArray[np.object_]
    about: dict[str, Any]
    ids: NDArray[np.object_] | None = None
    squares: Squares | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    labels: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        """Number of regions."""
        return len(self.outlines)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres of the bounds, ``(N, 2)`` x and y in level-0 pixels."""
        bounds = shapely.bounds(self.outlines).reshape(-1, 4)
        return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2)

    def chosen(self, positions: NDArray[np.int64]) -> Regions:
        """Some of the regions, in that order."""
        squares = self.squares
        if squares is not None:
            squares = replace(
                squares, rows=squares.rows[positions], columns=squares.columns[positions]
            )
        return replace(
            self,
            outlines=self.outlines[positions],
            ids=None if self.ids is None else self.ids[positions],
            squares=squares,
            labels=None if self.labels is None else self.labels[positions],
        )


RegionSource = Callable[[SlidePlace, SlideStore, ModelBundle], Regions]


def check_source(name: str, place: SlidePlace | None = None) -> None:
    """Refuse a word that is neither a source nor a label, and annotations without a study.

    Args:
        name: The word.
        place: Of the slide, where it is known.

    Raises:
        InvalidValueError: With the words there are.
        StudyError: There is no study.
    """
    if name in {ANNOTATIONS, AREAS} and place is not None and place.study_path is None:
        raise StudyError(
            "a slide without a study has no annotations",
            where="--regions",
            found=name,
            remedy="lay regions over the tissue by --regions tissue, or add the slide to a study",
        )
    if "/" not in name and name not in entry_points.names_in(GROUP):
        raise InvalidValueError(
            "--regions",
            found=repr(name),
            allowed=", ".join(entry_points.names_in(GROUP))
            + ", or a label that has objects, e.g. prediction/NAME",
        )


def find_regions(place: SlidePlace, store: SlideStore, bundle: ModelBundle, source: str) -> Regions:
    """The regions of a slide that can be looked at, from top to bottom.

    Args:
        place: Where the slide's tables lie, and the study it is of.
        store: The slide's.
        bundle: Of the model: its classes say which annotations are meant, its spec how large
            squares are.
        source: Name of a source, or a label that has objects.

    Raises:
        InvalidValueError: No such source.
        StudyError: There is none, or the source is one that only a study has.
        StoreError: The label has no objects.
    """
    check_source(source, place)
    found = _of_objects(place, source) if "/" in source else None
    if found is None:
        make: RegionSource = entry_points.load(GROUP, source)
        found = make(place, store, bundle)
    placed = place_regions(store, bundle.spec, found.centres)
    unusable = {
        OFF_SLIDE: int((~placed.on_slide).sum()),
        DAMAGED: int((placed.on_slide & ~placed.whole).sum()),
    }
    found = replace(found, left_out=found.left_out + Counter(unusable))
    if not placed.usable.any():
        raise StudyError(
            "there is no region that the model could name",
            where=store.slide_id,
            found=told(found.left_out) or "none",
            allowed=str(found.about["source"]),
            remedy="propose or annotate some, or state others with --regions",
        )
    return found.chosen(_from_top(placed.origins_px, placed.usable))


def told(left_out: Counter[str]) -> str:
    """What serves nothing, in a few words; empty where all serves."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()) if count)


def _from_top(origins_px: NDArray[np.int64], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions of the usable ones, band by band, and from left to right in each."""
    x, y = origins_px.T
    order = np.lexsort((y, x, y // _BAND_PX))
    return np.asarray(order[usable[order]])


def _of_objects(place: SlidePlace, label: str) -> Regions:
    """The objects of a label, e.g. nuclei that another model outlined."""
    path = place.objects_path(label)
    objects = read_objects(path)
    about = {"source": f"objects of {label}", "sha256": sha256_of_file(path)}
    return Regions(objects.geometry, about)
