"""A registered pair and its marker: what is known of both slides before a pixel is labelled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pathoai.errors import AlignmentError, StoreError
from pathoai.geometry import Grid
from pathoai.ihc.recipe import MarkerRecipe
from pathoai.ihc.stains import IhcStains, stains_of_sample
from pathoai.ihc.threshold import StainThreshold, threshold_of
from pathoai.ontology import LabelClass, Ontology
from pathoai.preprocess.stain.tissue_sample import sample_store
from pathoai.registration.saved_registration import Registration
from pathoai.store.label_image import label_grid
from pathoai.store.slide_store import SlideStore

METHOD = "ihc-3"
"""Raised when the same pair would be labelled differently: old labels are then made anew."""


@dataclass(frozen=True, eq=False)
class MarkedPair:
    """An H&E slide, the same section restained, and how the one becomes labels of the other.

    Args:
        fixed: The H&E slide.
        moving: The restained one.
        registration: Of both.
        recipe: Of the marker.
        classes: Of its targets.
        stains: Of the restained slide.
        thresholds: Of its chromogens.
    """

    fixed: SlideStore
    moving: SlideStore
    registration: Registration
    recipe: MarkerRecipe
    classes: tuple[LabelClass, ...]
    stains: IhcStains
    thresholds: tuple[StainThreshold, ...]

    @classmethod
    def seen(
        cls,
        fixed: SlideStore,
        moving: SlideStore,
        registration: Registration,
        recipe: MarkerRecipe,
        ontology: Ontology,
    ) -> MarkedPair:
        """Look at a sample of the restained slide.

        Raises:
            StoreError: The registration is of other pixels than these stores hold.
            OntologyError: A class of the recipe is not in the ontology.
            AlignmentError: The slides are neighbouring sections.
        """
        _check_same_section(fixed, moving, registration)
        _check_same_pixels(fixed, moving, registration)
        classes = tuple(ontology[target.class_key] for target in recipe.targets)
        stains, thresholds = slide_stains(moving, recipe)
        return cls(fixed, moving, registration, recipe, classes, stains, thresholds)

    @property
    def factor(self) -> int:
        """Store pixels of the H&E slide per pixel of the label."""
        return max(1, round(self.recipe.label_mpp / self.fixed.mpp))

    @property
    def grid(self) -> Grid:
        """The raster of the label."""
        return label_grid(self.fixed.header, self.factor)

    @property
    def mpp(self) -> float:
        """Scale of the label, µm per pixel."""
        return self.fixed.mpp * self.factor

    @property
    def about(self) -> dict[str, Any]:
        """Where the label comes from; two runs of the same go on with each other's work."""
        return {
            "origin": "ihc",
            "status": "proposed",
            "method": METHOD,
            "description": f"{self.recipe.title}: positive areas of the restained slide, "
            "not validated by a pathologist",
            "marker": self.recipe.key,
            "recipe": self.recipe.to_dict(),
            "stains": self.stains.to_dict(),
            "thresholds": [threshold.to_dict() for threshold in self.thresholds],
            "restained_slide": self.moving.slide_id,
            "restained_sha256": self.moving.identity,
            "registration_sha256": _registration_sha256(self.registration),
            "store_sha256": self.fixed.identity,
        }


def _registration_sha256(registration: Registration) -> str:
    """Over the numbers that decide where a label lies and what of it is believed."""
    transform, quality = registration.transform, registration.quality
    arrays = [transform.affine, quality.state, quality.residual_um]
    if transform.displacement is not None:
        arrays.append(transform.displacement.control_um)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def slide_stains(
    moving: SlideStore, recipe: MarkerRecipe
) -> tuple[IhcStains, tuple[StainThreshold, ...]]:
    """The stains of a restained slide, and from which amounts they count.

    From a fixed sample of its tissue, on the CPU, so that every machine says the same.

    Args:
        moving: The slide's store.
        recipe: Of the marker.
    """
    pixels = sample_store(moving)
    stains = stains_of_sample(pixels, recipe.chromogens)
    batch = torch.from_numpy(np.ascontiguousarray(pixels.T))[None, :, None]
    amounts = stains.chromogen_amounts(batch)[0, :, 0].numpy()
    # What leaks from the stronger of two chromogens into the other's channel is no stain of its.
    own = np.where(amounts >= amounts.max(axis=0), amounts, 0.0)
    pairs = zip(own, recipe.targets, strict=True)
    return stains, tuple(threshold_of(amount, target) for amount, target in pairs)


def _check_same_section(fixed: SlideStore, moving: SlideStore, registration: Registration) -> None:
    if registration.is_of_neighbours:
        raise AlignmentError(
            "neighbouring sections give no labels: a stained cell of one is not on the other",
            where=f"{fixed.slide_id}--{moving.slide_id}",
            found="registered with --neighbouring",
            remedy="carry annotations of areas by `pathoai annotations transfer`; if it is one "
            "section after all, run `pathoai register --no-neighbouring`",
        )


def _check_same_pixels(fixed: SlideStore, moving: SlideStore, registration: Registration) -> None:
    transform = registration.transform
    for store, placed in ((fixed, transform.fixed), (moving, transform.moving)):
        if placed.identity != store.identity:
            raise StoreError(
                "the registration is of other pixels than the store holds",
                where=store.slide_id,
                remedy="run `pathoai register` again",
            )
