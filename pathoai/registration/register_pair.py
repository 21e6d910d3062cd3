"""Aligns two slides of one section, from any start, and says how far to believe it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from pathoai.errors import AlignmentError, InvalidValueError
from pathoai.progress import Advance, silent
from pathoai.provenance import result_software
from pathoai.registration.affine import refine_affine
from pathoai.registration.believable import NEIGHBOURS, SAME_SECTION, check_believable
from pathoai.registration.deformable import DeformableSettings, refine_deformable
from pathoai.registration.judge_tiles import TileRule, judge_tiles
from pathoai.registration.match_slides import match_slides
from pathoai.registration.rigid_search import find_start
from pathoai.registration.saved_registration import Registration
from pathoai.registration.slide_windows import WindowPair
from pathoai.registration.structure import structure_image
from pathoai.registration.tile_quality import RegistrationQuality
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.slide_store import SlideStore

_STAGES = 3
_LEAST_ACROSS_PX = 512
_JUDGED_WITHIN_PX = 8
# Landmarks of real neighbouring sections were measured at this scale, and no finer.
_NEIGHBOURS_MPP = 3.48
# Neighbouring sections share lumina, but no cells: squares between them show much of what is alike.
_LARGEST_HOLE_UM2 = 1e5


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """How two slides are aligned.

    Args:
        affine_mpp: Scale down to which the affine map is sought, µm per pixel; finer on slides
            that would span less than 512 pixels at it.
        deformable: How the field is found.
        rule: When a tile is believed.
        least_believable: Share of the tissue's tiles that must be, or the pair is refused.
        neighbouring: Two sections beside each other in the block, and not one that was restained:
            the whole map is believed or not, and its tiles are told, but none has to fit.
    """

    affine_mpp: float = 8.0
    deformable: DeformableSettings = field(default_factory=DeformableSettings)
    rule: TileRule = field(default_factory=TileRule)
    least_believable: float = 0.1
    neighbouring: bool = False

    @classmethod
    def of_neighbours(cls) -> RegistrationSettings:
        """How two neighbouring sections are aligned: coarsely, and no tile has to be believed."""
        # They differ from place to place, and no square of one looks quite as it does on the other:
        # many weak answers that agree, followed closely, say more than the few strong ones.
        bending = DeformableSettings(
            finest_mpp=_NEIGHBOURS_MPP,
            reach_px=10,
            squares_per_spacing=0.5,
            chance=0.1,
            coupled=True,
        )
        return cls(deformable=bending, least_believable=0.0, neighbouring=True)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 1 <= self.affine_mpp <= 64 or not 0 <= self.least_believable <= 1:
            raise InvalidValueError(
                "settings of a registration",
                found=f"affine {self.affine_mpp} µm, believable {self.least_believable}",
                allowed="1 to 64 µm, 0 to 1",
            )


def register_pair(
    fixed: SlideStore,
    moving: SlideStore,
    *,
    settings: RegistrationSettings | None = None,
    device: torch.device,
    advance: Advance = silent,
) -> Registration:
    """Align two slides of one section, or of two neighbouring ones.

    Args:
        fixed: The H&E slide.
        moving: The same section, restained; or the section beside it.
        settings: How; the defaults if left out.
        device: Where it is computed.
        advance: Told of stages done and stages in all.

    Returns:
        The transform and how far it can be believed.

    Raises:
        AlignmentError: There is no believable alignment.
        StoreError: A store cannot be read.
    """
    chosen = settings or RegistrationSettings()
    began = time.monotonic()
    advance(0, _STAGES)
    affine, evidence = _affine(fixed, moving, chosen, device)
    advance(1, _STAGES)
    transform = refine_deformable(fixed, moving, affine, settings=chosen.deformable, device=device)
    advance(2, _STAGES)
    mpp = chosen.deformable.scales(max(fixed.mpp, moving.mpp / transform.scale))[-1]
    windows = WindowPair(fixed, moving, mpp)
    matches = match_slides(windows, transform, reach_px=_JUDGED_WITHIN_PX, device=device)
    quality = judge_tiles(matches, transform.fixed, chosen.rule)
    _check(quality, transform, chosen.least_believable)
    advance(3, _STAGES)
    about = {
        "software": result_software(),
        "settings": asdict(chosen),
        "evidence": evidence,
        "device": device.type,
        "finest_mpp": mpp,
        "seconds": round(time.monotonic() - began, 2),
    }
    return Registration(transform, quality, about=about)


def _affine(
    fixed: SlideStore, moving: SlideStore, settings: RegistrationSettings, device: torch.device
) -> tuple[SlideTransform, dict[str, Any]]:
    """The best affine map, and what speaks for it."""
    slides = [PlacedSlide.of_store(store) for store in (fixed, moving)]
    # A small section needs finer pixels to have as many squares that can agree.
    mpp = min(settings.affine_mpp, *(max(slide.size_um) / _LEAST_ACROSS_PX for slide in slides))
    images = [structure_image(store, max(mpp, store.mpp)) for store in (fixed, moving)]
    if settings.neighbouring:
        images = [image.without_holes(_LARGEST_HOLE_UM2) for image in images]
    start, _ = find_start(images[0], images[1], device=device)
    affine, evidence = refine_affine(
        images[0], images[1], start, device=device, tell_last=settings.neighbouring
    )
    belief = NEIGHBOURS if settings.neighbouring else SAME_SECTION
    check_believable(evidence, fixed=fixed.slide_id, moving=moving.slide_id, belief=belief)
    return SlideTransform(slides[0], slides[1], affine), asdict(evidence)


def _check(quality: RegistrationQuality, transform: SlideTransform, least: float) -> None:
    if quality.believable_share < least:
        raise AlignmentError(
            "the alignment holds on too little of the tissue",
            where=f"{transform.fixed.slide_id}--{transform.moving.slide_id}",
            found=f"{quality.believable_share:.0%} of the tissue's tiles",
            allowed=f"{least:.0%} or more",
            remedy="look at both slides: is it the same section, whole and in focus on both? "
            "Correct the column pair of the cohort, or leave the pair out",
        )
