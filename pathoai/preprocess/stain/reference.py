"""Targets that come with pathoai, for whoever has no slide of their own to normalise towards.

Measured on a generated breast slide (``pathoai.testing``; 1500 × 1200 px at 0.5 µm, seed 3), so
nobody's data are in them. A target of one's own is the profile of a slide of one's own.
"""

from __future__ import annotations

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.normalisation import Profile
from pathoai.preprocess.stain.reinhard import ColourProfile
from pathoai.preprocess.stain.stain_profile import StainProfile


def reference_profile(method: str) -> Profile:
    """The target for a method of estimation, an H&E slide.

    Raises:
        InvalidValueError: There is none for the method.
    """
    known = {profile.method: profile for profile in _references()}
    if method not in known:
        raise InvalidValueError(
            "no reference comes with pathoai for this method",
            found=repr(method),
            allowed=", ".join(known),
            remedy="use the profile of one of your own slides as the target",
        )
    return known[method]


def _references() -> tuple[Profile, ...]:
    return (
        StainProfile(
            ((0.58208, 0.70959, 0.39707), (0.21677, 0.85655, 0.46833)), (2.926, 1.309), "macenko"
        ),
        StainProfile(
            ((0.55899, 0.72443, 0.40340), (0.28264, 0.84077, 0.46176)), (3.119, 1.545), "vahadane"
        ),
        StainProfile(
            ((0.65003, 0.70403, 0.28601), (0.07213, 0.99183, 0.10520)),
            (2.992, 0.818),
            "hematoxylin-eosin",
        ),
        ColourProfile((-0.46456, -0.05666, 0.02134), (0.28668, 0.05064, 0.01038)),
    )
