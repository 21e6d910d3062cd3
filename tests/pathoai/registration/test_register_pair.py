"""Whole slides: a restained twin is aligned as its truth says, and damage is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import AlignmentError, InvalidValueError
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.deformable import DeformableSettings, refine_deformable
from pathoai.registration.judge_tiles import TileRule
from pathoai.registration.register_pair import RegistrationSettings, register_pair
from pathoai.registration.saved_registration import Registration
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.ihc_twin import TwinTruth, generate_ihc_twin
from pathoai.tiling.spec import TileSpec
from tests.pathoai.registration.placed_slides import affine

CPU = torch.device("cpu")
Twin = tuple[SlideStore, SlideStore, TwinTruth]


@pytest.fixture(scope="module")
def twin(
    generated: tuple[Path, SlideTruth], tiled_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Twin:
    """The generated slide, and the same section mirrored, turned, bent, torn and folded."""
    folder = tmp_path_factory.mktemp("twin")
    truth = generate_ihc_twin(
        folder / "twin.tif",
        generated[1],
        marker="AE1AE3",
        rotation_degrees=130.0,
        warp_um=8.0,
        mirrored=True,
        tears=1,
        folds=1,
        seed=2,
    )
    source = SlideSource(lambda: open_slide(folder / "twin.tif", slide_id="twin"), None)
    settings = TilingSettings(
        TileSpec(size_px=128, mpp=0.5), mpp=0.5, compression="blosc-zstd", tissue_method="ihc"
    )
    return SlideStore(tiled_store), tile_slide(source, folder / "twin.zarr", settings), truth


@pytest.fixture(scope="module")
def registration(twin: Twin) -> Registration:
    return register_pair(twin[0], twin[1], device=CPU)


@pytest.fixture(scope="module")
def gone(twin: Twin) -> NDArray[np.bool_]:
    """What has no counterpart on the twin, at every eighth pixel."""
    size = twin[0].slide.size
    return twin[2].gone_mask(0, 0, size.width, size.height)[4::8, 4::8]


def tissue(store: SlideStore) -> NDArray[np.bool_]:
    """Tissue, at every eighth pixel."""
    size = store.slide.size
    whole = store.tissue.on_grid(store.grid(), slice(0, size.height), slice(0, size.width))
    return whole[4::8, 4::8]


def places(store: SlideStore) -> NDArray[np.float64]:
    """Every eighth pixel, ``(h, w, 2)``, level-0 pixels."""
    size = store.slide.size
    y, x = np.mgrid[4 : size.height : 8, 4 : size.width : 8].astype(np.float64)
    return np.stack([x, y], axis=-1)


def test_the_truth_is_found_to_a_micrometre(
    twin: Twin, registration: Registration, gone: NDArray[np.bool_]
) -> None:
    fixed, _, truth = twin
    points = places(fixed)[tissue(fixed) & ~gone]
    assert registration.transform.is_mirrored
    carried = registration.transform.to_fixed_px(truth.to_twin(points))
    missed = np.linalg.norm(carried - points, axis=1) * 0.5
    assert np.median(missed) < 0.5
    assert np.percentile(missed, 90) < 1.0


def test_tears_and_folds_are_refused_and_the_rest_is_kept(
    twin: Twin, registration: Registration, gone: NDArray[np.bool_]
) -> None:
    fixed = twin[0]
    size = fixed.slide.size
    whole = slice(0, size.height), slice(0, size.width)
    believed = registration.quality.on_grid(fixed.grid(), *whole)[4::8, 4::8]
    assert believed[tissue(fixed) & gone].mean() < 0.1
    assert believed[tissue(fixed) & ~gone].mean() > 0.8
    assert registration.quality.median_residual_um < 0.5


def test_it_survives_its_file(registration: Registration, tmp_path: Path) -> None:
    registration.save(tmp_path / "pair.npz")
    found = Registration.load(tmp_path / "pair.npz")
    assert found.sha256 == registration.sha256
    assert found.about == json.loads(json.dumps(registration.about))
    assert found.about["seconds"] > 0
    assert "numpy" in found.about["software"]


def test_two_sections_are_refused(twin: Twin, four_shard_store: Path) -> None:
    with pytest.raises(AlignmentError):
        register_pair(SlideStore(four_shard_store), twin[1], device=CPU)


def test_the_field_alone_refuses_what_does_not_fit(
    twin: Twin, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map that looks likely but leads elsewhere ends with few believable tiles."""
    from pathoai.registration import register_pair as module

    true = registration.transform
    wrong = dataclasses.replace(
        true, affine=true.affine + np.array([[0, 0, 150.0], [0, 0, 90.0]]), displacement=None
    )
    monkeypatch.setattr(module, "_affine", lambda *_: (wrong, {}))
    with pytest.raises(AlignmentError, match="too little of the tissue"):
        register_pair(twin[0], twin[1], device=CPU)


def test_a_slide_lies_on_itself(twin: Twin) -> None:
    store = twin[0]
    slide = PlacedSlide.of_store(store)
    found = refine_deformable(
        store,
        store,
        SlideTransform(slide, slide, affine(0, 1, False, (3.0, -2.0))),
        settings=DeformableSettings(coarsest_mpp=4, finest_mpp=2),
        device=CPU,
    )
    points = places(store)[tissue(store)]
    missed = np.linalg.norm(found.to_moving_px(points) - points, axis=1) * 0.5
    assert np.percentile(missed, 90) < 0.3


def test_scales_halve_down_to_that_of_the_coarser_slide() -> None:
    settings = DeformableSettings()
    assert settings.scales(0.25) == [16, 8, 4, 2, 1]
    assert settings.scales(3.5) == [14, 7, 3.5]
    assert settings.scales(20.0) == [20]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: DeformableSettings(coarsest_mpp=1, finest_mpp=2),
        lambda: DeformableSettings(reach_px=1),
        lambda: DeformableSettings(stiffness=0),
        lambda: DeformableSettings(squares_per_spacing=0.1),
        lambda: DeformableSettings(chance=1.0),
        lambda: TileRule(least_similarity=2),
        lambda: TileRule(largest_residual_um=0),
        lambda: RegistrationSettings(affine_mpp=0.1),
        lambda: RegistrationSettings(least_believable=2),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: type) -> None:
    with pytest.raises(InvalidValueError):
        wrong()
