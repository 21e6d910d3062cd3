"""Squares laid over the tissue, side by side: regions of a model that looks everywhere."""

from __future__ import annotations

import math

import numpy as np
import shapely

from pathoai.errors import NoTissueError
from pathoai.geometry import LARGEST_MPP_UM
from pathoai.inference.regions import Regions, Squares
from pathoai.models.bundle import ModelBundle
from pathoai.provenance import sha256_of_json
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace


def tissue_regions(place: SlidePlace, store: SlideStore, bundle: ModelBundle) -> Regions:
    """The squares that hold enough tissue, of the side that the model was trained on.

    Their side is a whole number of pixels of a label, which differs from the model's as little as
    can be. Squares whose centre lies off the slide are left out.

    Args:
        place: Not needed: the store holds the tissue.
        store: The slide's.
        bundle: Its spec gives side and least tissue.

    Raises:
        NoTissueError: No square holds enough.
    """
    spec, slide = bundle.spec, store.slide
    factor, across = label_scale(spec.size_px * spec.mpp, store.mpp)
    grid = store.header.grid.coarser(factor * across)
    side = np.array([grid.downsample_x, grid.downsample_y])
    rows, columns = np.indices((grid.size_px.height, grid.size_px.width)).reshape(2, -1)
    corners = np.stack([columns, rows], axis=1) * side
    share = store.tissue.fraction(corners[:, 0], corners[:, 1], (float(side[0]), float(side[1])))
    centres = corners + side / 2
    inside = (centres < (slide.size.width, slide.size.height)).all(axis=1)
    keep = inside & (share >= spec.min_tissue_fraction) & (share > 0)
    if not keep.any():
        raise NoTissueError(
            "no square holds enough tissue",
            where=store.slide_id,
            found=f"at most {share.max():.1%}",
            allowed=f"{spec.min_tissue_fraction:.1%} of a square or more",
        )
    (left, top), (right, bottom) = corners[keep].T, (corners[keep] + side).T
    about = {
        "source": f"squares of {factor * across * store.mpp:.4g} µm over the tissue",
        "sha256": sha256_of_json([factor, across, np.flatnonzero(keep).tolist()]),
    }
    squares = Squares(factor, across, rows[keep].astype(np.int64), columns[keep].astype(np.int64))
    return Regions(np.asarray(shapely.box(left, top, right, bottom)), about, squares=squares)


def label_scale(side_um: float, store_mpp: float) -> tuple[int, int]:
    """Store pixels per pixel of a label, and its pixels along squares of about a side.

    One pixel would do to say what a square is, but no program takes pixels of 300 µm for an image.

    Args:
        side_um: Side of the squares.
        store_mpp: Scale of the store, µm per pixel.
    """
    side_px = side_um / store_mpp
    least = max(1, math.ceil(side_um / LARGEST_MPP_UM))
    choices = [(max(1, round(side_px / across)), across) for across in range(least, 2 * least + 1)]
    fitting = [one for one in choices if one[0] * store_mpp <= LARGEST_MPP_UM] or choices
    return min(fitting, key=lambda one: (abs(one[0] * one[1] - side_px), one[1]))
