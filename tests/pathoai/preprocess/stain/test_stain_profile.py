from __future__ import annotations

import json
from typing import Any

import pytest

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.normalisation import Profile, profile_from_dict
from pathoai.preprocess.stain.reinhard import ColourProfile
from pathoai.preprocess.stain.stain_profile import StainProfile, Vector

_STAINS = StainProfile(((0.6, 0.7, 0.387298), (0.1, 0.9, 0.424264)), (2.1, 1.3), "macenko", "ab12")
_COLOURS = ColourProfile((-0.31, 0.012, 0.02), (0.17, 0.03, 0.02), "ab12")


@pytest.mark.parametrize("profile", [_STAINS, _COLOURS])
def test_a_profile_comes_back_from_json_as_it_was(profile: Profile) -> None:
    assert profile_from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


@pytest.mark.parametrize("profile", [_STAINS, _COLOURS])
@pytest.mark.parametrize(
    "change",
    [
        {"matrix": [[1, 2], [3, 4]], "mean": [0, 0]},
        {"matrix": "red", "mean": "red"},
        {"maximum": [1, None], "deviation": [1, None, 1]},
        {"source_sha256": 5},
        {"stain": "H&E"},
    ],
)
def test_a_malformed_profile_is_refused(profile: Profile, change: dict[str, Any]) -> None:
    known = profile.to_dict()
    changed = {**known, **{k: v for k, v in change.items() if k in known or k == "stain"}}
    with pytest.raises(InvalidValueError):
        profile_from_dict(changed)


@pytest.mark.parametrize("profile", [_STAINS, _COLOURS])
def test_a_profile_with_a_part_missing_is_refused(profile: Profile) -> None:
    for key in set(profile.to_dict()) - {"source_sha256"}:
        cut = {k: v for k, v in profile.to_dict().items() if k != key}
        with pytest.raises(InvalidValueError):
            profile_from_dict(cut)


@pytest.mark.parametrize(
    ("matrix", "maximum", "match"),
    [
        (((1.0, 1.0, 0.0), (0.0, 1.0, 0.0)), (1.0, 1.0), "stain vectors"),
        (((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (1.0, 1.0), "wrong order"),
        (((0.6, 0.8, 0.0), (0.59, 0.807403, 0.0)), (1.0, 1.0), "one stain only.*°.*Remedy"),
        (((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), (1.0, -0.1), "one stain only.*Remedy"),
        (((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), (1.0, float("nan")), "one stain only"),
    ],
)
def test_stains_that_cannot_be_told_apart_are_refused(
    matrix: tuple[Vector, Vector], maximum: tuple[float, float], match: str
) -> None:
    with pytest.raises(InvalidValueError, match=match):
        StainProfile(matrix, maximum, "macenko")


@pytest.mark.parametrize("deviation", [(0.0, 0.1, 0.1), (float("inf"), 0.1, 0.1)])
def test_a_slide_of_one_colour_has_no_statistics_to_transfer(deviation: Vector) -> None:
    with pytest.raises(InvalidValueError, match="deviations above 0"):
        ColourProfile((0.0, 0.0, 0.0), deviation)
