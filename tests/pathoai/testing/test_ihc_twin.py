"""The twin lies where its maps say and is brown where its truth says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, plan_slide
from pathoai.testing.ihc_staining import MARKERS
from pathoai.testing.ihc_twin import TwinPainter, generate_ihc_twin, plan_ihc_twin
from pathoai.testing.staining import DAB, HEMATOXYLIN, WHITE
from pathoai.testing.twin_transform import TwinTransform


@pytest.fixture(scope="module")
def truth() -> SlideTruth:
    """The section that all twins restain."""
    return plan_slide(SlideRecipe(width=1200, height=1000, seed=4))


def dab_density(picture: NDArray[Any]) -> NDArray[Any]:
    """Amount of DAB by deconvolution, (height, width)."""
    vectors = np.array([HEMATOXYLIN, DAB, np.cross(HEMATOXYLIN, DAB)])
    density = -np.log10(np.maximum(picture, 1) / np.asarray(WHITE))
    return np.asarray(density @ np.linalg.inv(vectors))[..., 1]


@settings(max_examples=25, deadline=None)
@given(
    rotation=st.floats(-360, 360),
    move=st.floats(-800, 800),
    warp=st.floats(0, 200),
    seed=st.integers(0, 1000),
)
def test_the_maps_are_inverse_of_each_other(
    rotation: float, move: float, warp: float, seed: int
) -> None:
    transform = TwinTransform.draw(
        np.random.default_rng(seed),
        source_px=(5000, 3000),
        rotation_degrees=rotation,
        translation_px=(move, -move),
        warp_px=warp,
    )
    points = np.random.default_rng(seed).uniform(-500, 5500, (200, 2))
    np.testing.assert_allclose(transform.from_twin(transform.to_twin(points)), points, atol=1e-4)
    np.testing.assert_allclose(transform.to_twin(transform.from_twin(points)), points, atol=1e-4)
    rigid = TwinTransform(**{**vars(transform), "amplitude": transform.amplitude * 0})
    moved = np.abs(transform.from_twin(points) - rigid.from_twin(points))
    assert moved.max() <= warp + 1e-6


def test_a_quarter_turn_without_warp_is_exact(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, rotation_degrees=90, translation_um=(0.0, 0.0), warp_um=0.0)
    assert twin.transform.twin_px == (1000, 1200)
    np.testing.assert_allclose(twin.to_twin(np.array([0.0, 0.0])), [1000.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("marker", sorted(MARKERS))
def test_dab_lies_where_the_truth_says(truth: SlideTruth, marker: str) -> None:
    twin = plan_ihc_twin(truth, marker=marker, rotation_degrees=13, warp_um=6, seed=3)
    width, height = twin.transform.twin_px
    picture = TwinPainter(twin).paint(0, 0, width, height)
    brown = dab_density(picture)
    expected = twin.positive_mask_in_twin(0, 0, width, height)
    assert expected.sum() > 300
    found = brown > 0.22
    assert (found & expected).sum() / (found | expected).sum() > 0.75
    assert brown[expected].mean() > 8 * brown[~expected].mean()


def test_nuclei_of_the_twin_lie_at_the_mapped_centroids(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, marker="CD3CD20", rotation_degrees=-30, warp_um=10, seed=1)
    width, height = twin.transform.twin_px
    picture = TwinPainter(twin).paint(0, 0, width, height).sum(axis=2)
    places = twin.to_twin(np.stack([truth.nuclei.x, truth.nuclei.y], axis=1))
    inside = ((places >= 0) & (places < [width, height])).all(axis=1)
    columns, rows = np.floor(places[inside]).astype(int).T
    assert inside.sum() > 50
    assert np.mean(picture[rows, columns] < 540) > 0.95


def test_only_the_classes_of_a_marker_bind_it(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, marker="CD3CD20")
    keys = np.asarray(truth.nuclei.class_keys)[truth.nuclei.class_index[twin.positive]]
    assert set(keys) == {"nucleus_lymphocyte"}


def test_twin_is_written_and_deterministic(tmp_path: Path) -> None:
    import openslide

    truth = plan_slide(SlideRecipe(width=700, height=500, seed=1))
    for name in ("a.svs", "b.svs"):
        twin = generate_ihc_twin(tmp_path / name, truth, seed=5)
    assert (tmp_path / "a.svs").read_bytes() == (tmp_path / "b.svs").read_bytes()
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.dimensions == twin.transform.twin_px
        assert float(slide.properties["openslide.mpp-x"]) == 0.25


def test_unknown_marker_and_negative_warp_are_refused(truth: SlideTruth) -> None:
    with pytest.raises(InvalidValueError, match="HER2"):
        plan_ihc_twin(truth, marker="HER2")
    with pytest.raises(InvalidValueError, match="warp"):
        plan_ihc_twin(truth, warp_um=-1.0)
