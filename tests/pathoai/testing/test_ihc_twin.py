"""The twin lies where its maps say and is brown, or red, where its truth says."""

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
from pathoai.testing.ihc_staining import MARKERS, Chromogen
from pathoai.testing.ihc_twin import TwinPainter, TwinTruth, generate_ihc_twin, plan_ihc_twin
from pathoai.testing.staining import DAB, HEMATOXYLIN, PERMANENT_RED, WHITE
from pathoai.testing.twin_recipe import TwinOptions
from pathoai.testing.twin_transform import SIDES, Side, TwinTransform

# Red, green and blue of the quadrants of one twin, as the first version painted it.
_OLD_MEANS = [
    [231.603, 228.945, 233.581],
    [220.016, 215.447, 222.820],
    [237.972, 236.714, 239.552],
    [237.590, 236.393, 239.780],
]


@pytest.fixture(scope="module")
def truth() -> SlideTruth:
    """The section that all twins restain."""
    return plan_slide(SlideRecipe(width=1200, height=1000, seed=2, organ="cervix"))


def density(picture: NDArray[Any], chromogen: Chromogen = "dab") -> NDArray[Any]:
    """Amount of a chromogen by deconvolution, (height, width)."""
    vectors = np.array([HEMATOXYLIN, DAB, PERMANENT_RED])
    absorbed = -np.log10(np.maximum(picture, 1) / np.asarray(WHITE))
    place = 1 if chromogen == "dab" else 2
    return np.asarray(absorbed @ np.linalg.inv(vectors))[..., place]


def painted(twin: TwinTruth) -> NDArray[np.uint8]:
    """All of a twin."""
    return TwinPainter(twin).paint(0, 0, *twin.transform.twin_px)


def pixel_centres(width: int, height: int) -> NDArray[np.float64]:
    """Points (height, width, 2)."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([columns, rows], axis=-1)


@settings(max_examples=25, deadline=None)
@given(
    rotation=st.floats(-360, 360),
    move=st.floats(-800, 800),
    warp=st.floats(0, 200),
    seed=st.integers(0, 1000),
    scale=st.floats(0.25, 4),
    mirrored=st.booleans(),
    side=st.sampled_from(SIDES),
)
def test_the_maps_are_inverse_of_each_other(
    rotation: float, move: float, warp: float, seed: int, scale: float, mirrored: bool, side: Side
) -> None:
    drawn = TwinTransform.draw(
        np.random.default_rng(seed),
        source_px=(5000, 3000),
        rotation_degrees=rotation,
        translation_px=(move, -move),
        warp_px=warp,
        wavelength_px=800,
    )
    transform = drawn.rescanned(scale=scale, mirrored=mirrored, left_off=0.2, side=side)
    points = np.random.default_rng(seed).uniform(-500, 5500, (200, 2))
    np.testing.assert_allclose(transform.from_twin(transform.to_twin(points)), points, atol=1e-4)
    np.testing.assert_allclose(transform.to_twin(transform.from_twin(points)), points, atol=1e-4)
    rigid = TwinTransform(**{**vars(transform), "amplitude": transform.amplitude * 0})
    moved = np.abs(transform.from_twin(points) - rigid.from_twin(points))
    assert moved.max() <= warp + 1e-6
    across, down = (
        rigid.to_twin(np.array(p)) - rigid.to_twin(np.zeros(2)) for p in ([1, 0], [0, 1])
    )
    assert np.linalg.norm(across) == pytest.approx(scale)
    assert np.linalg.det([across, down]) == pytest.approx(-(scale**2) if mirrored else scale**2)


def test_a_quarter_turn_without_warp_is_exact(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, rotation_degrees=90, translation_um=(0.0, 0.0), warp_um=0.0)
    assert twin.transform.twin_px == (1000, 1200)
    np.testing.assert_allclose(twin.to_twin(np.array([0.0, 0.0])), [1000.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("marker", "chromogen"),
    [(key, chromogen) for key, marker in MARKERS.items() for chromogen in marker.antibodies()],
)
def test_chromogens_lie_where_the_truth_says(
    truth: SlideTruth, marker: str, chromogen: Chromogen
) -> None:
    twin = plan_ihc_twin(truth, marker=marker, rotation_degrees=13, warp_um=6, seed=3)
    amount = density(painted(twin), chromogen)
    expected = twin.positive_mask_in_twin(0, 0, *twin.transform.twin_px, chromogen=chromogen)
    assert expected.sum() > 300
    found = amount > 0.22
    assert (found & expected).sum() / (found | expected).sum() > 0.75
    assert amount[expected].mean() > 8 * amount[~expected].mean()


def test_compartments_are_what_their_names_say(truth: SlideTruth) -> None:
    box = (0, 0, 1200, 1000)
    nuclei = truth.nuclei_instances(*box) > 0

    def bound(marker: str, chromogen: Chromogen = "dab") -> NDArray[np.bool_]:
        return plan_ihc_twin(truth, marker=marker).positive_mask(*box, chromogen=chromogen)

    assert not (bound("ER") & ~nuclei).any()
    assert not (bound("AE1AE3") & nuclei).any()
    assert not (bound("HER2") & ~bound("AE1AE3")).any()
    assert bound("HER2").sum() < 0.5 * bound("AE1AE3").sum()
    assert (bound("P16") & nuclei).sum() > 1000
    assert (bound("P16") & ~nuclei).sum() > 1000
    membrane = bound("P40COLIV", "permanent_red")
    assert not (membrane & bound("AE1AE3")).any()
    vessels = plan_ihc_twin(truth, marker="ERGPODOPLANIN").cells
    assert not (vessels["permanent_red"] & ~vessels["dab"]).any()


def test_nuclei_of_the_twin_lie_at_the_mapped_centroids(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, marker="CD3CD20", rotation_degrees=-30, warp_um=10, seed=1)
    width, height = twin.transform.twin_px
    picture = painted(twin).sum(axis=2)
    places = twin.to_twin(np.stack([truth.nuclei.x, truth.nuclei.y], axis=1))
    inside = ((places >= 0) & (places < [width, height])).all(axis=1)
    columns, rows = np.floor(places[inside]).astype(int).T
    assert inside.sum() > 50
    assert np.mean(picture[rows, columns] < 540) > 0.95


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_nuclei_lie_there_mirrored_and_at_another_scale_too(
    truth: SlideTruth, scale: float
) -> None:
    twin = plan_ihc_twin(
        truth, marker="INI1", rotation_degrees=0, mirrored=True, scale=scale, wavelength_um=80
    )
    assert twin.mpp == 0.25 / scale
    brown = density(painted(twin))
    places = twin.to_twin(np.stack([truth.nuclei.x, truth.nuclei.y], axis=1))
    inside = ((places >= 0) & (places < twin.transform.twin_px)).all(axis=1)
    columns, rows = np.floor(places[inside]).astype(int).T
    assert np.mean(brown[rows, columns] > 0.3) > 0.95


def test_old_twins_keep_their_pixels() -> None:
    truth = plan_slide(SlideRecipe(width=1200, height=1000, seed=4))
    twin = plan_ihc_twin(truth, marker="MKI67", rotation_degrees=13, warp_um=6, seed=3)
    picture = painted(twin).astype(float)
    rows, columns = (length // 2 for length in picture.shape[:2])
    quadrants = [
        picture[:rows, :columns],
        picture[:rows, columns:],
        picture[rows:, :columns],
        picture[rows:, columns:],
    ]
    means = np.array([quadrant.mean(axis=(0, 1)) for quadrant in quadrants])
    np.testing.assert_allclose(means, _OLD_MEANS, atol=0.005)


def test_only_the_classes_of_a_marker_bind_it(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, marker="CD3CD20")
    keys = np.asarray(truth.nuclei.class_keys)[truth.nuclei.class_index[twin.positive]]
    assert set(keys) == {"nucleus_lymphocyte"}


@pytest.mark.parametrize("damage", [{"tears": 2}, {"folds": 2}], ids=["tears", "folds"])
def test_what_is_gone_is_told_and_nothing_else_changes(
    truth: SlideTruth, damage: TwinOptions
) -> None:
    options: TwinOptions = {"marker": "INI1", "rotation_degrees": 33.0, "seed": 2}
    damaged: TwinOptions = {**options, **damage}
    whole, broken = plan_ihc_twin(truth, **options), plan_ihc_twin(truth, **damaged)
    pictures = [painted(twin).astype(int) for twin in (whole, broken)]
    changed = np.abs(pictures[0] - pictures[1]).max(axis=2) > 1
    points = whole.from_twin(pixel_centres(*whole.transform.twin_px))
    depth = np.max([one.depth(points) for one in broken.damages], axis=0)
    assert not changed[depth < -2].any()
    assert changed[depth > 2].mean() > 0.6
    if "tears" in damage:
        assert pictures[1][depth > 2].mean() > 235
    gone, scanned = (twin.gone_mask(0, 0, 1200, 1000) for twin in (broken, whole))
    place = np.floor(points).astype(int)
    inside = ((place >= 0) & (place < [1200, 1000])).all(axis=-1) & (np.abs(depth) > 2)
    columns, rows = place[inside].T
    told = gone[rows, columns] & ~scanned[rows, columns]
    assert (told == (depth[inside] > 0)).mean() > 0.999


def test_a_flap_lies_on_its_neighbour_and_leaves_glass(truth: SlideTruth) -> None:
    twin = plan_ihc_twin(truth, marker="INI1", rotation_degrees=0, folds=1, seed=2)
    (fold,) = twin.damages
    points = pixel_centres(1200, 1000)
    deep = fold.depth(points) > 4
    flap, under = (deep & (side > 0.5) for side in (fold.missing(points), fold.doubled(points)))
    columns, rows = np.floor(twin.to_twin(points)).astype(int).transpose(2, 0, 1)
    light = painted(twin).mean(axis=2)
    assert light[rows[flap], columns[flap]].mean() > 235
    ordinary = plan_ihc_twin(truth, marker="INI1", rotation_degrees=0, seed=2)
    before = painted(ordinary).mean(axis=2)[rows[under], columns[under]]
    assert light[rows[under], columns[under]].mean() < before.mean() - 10
    np.testing.assert_allclose(fold.turned_over(fold.turned_over(points)), points, atol=1e-6)


def test_a_part_off_the_scan_is_gone(truth: SlideTruth) -> None:
    whole = plan_ihc_twin(truth, warp_um=0, seed=7)
    part = plan_ihc_twin(truth, warp_um=0, seed=7, partial=0.4)
    areas = [np.prod(twin.transform.twin_px) for twin in (whole, part)]
    assert areas[1] == pytest.approx(0.6 * areas[0], rel=0.01)
    gone = part.gone_mask(0, 0, 1200, 1000)
    assert 0.3 < gone.mean() < 0.45
    kept = part.to_twin(pixel_centres(1200, 1000)[~gone])
    assert ((kept >= 0) & (kept < part.transform.twin_px)).all()


def test_pigment_is_brown_on_both_and_no_antibody() -> None:
    plain = SlideRecipe(width=1200, height=1000, seed=4)
    clean = plan_slide(plain)
    brown = plan_slide(SlideRecipe(width=1200, height=1000, seed=4, pigment=True))
    np.testing.assert_array_equal(clean.nuclei.x, brown.nuclei.x)
    twin = plan_ihc_twin(brown, marker="CD3CD20", rotation_degrees=0, warp_um=0)
    mask = twin.pigment_mask(0, 0, 1200, 1000)
    assert 0.001 < mask.mean() < 0.05
    assert not plan_ihc_twin(clean).pigment_mask(0, 0, 1200, 1000).any()
    without = plan_ihc_twin(clean, marker="CD3CD20", rotation_degrees=0, warp_um=0)
    bound = twin.positive_mask(0, 0, 1200, 1000)
    np.testing.assert_array_equal(bound, without.positive_mask(0, 0, 1200, 1000))
    columns, rows = np.floor(twin.to_twin(pixel_centres(1200, 1000)[mask])).astype(int).T
    assert density(painted(twin))[rows, columns].mean() > 0.3


def test_twin_is_written_and_deterministic(tmp_path: Path) -> None:
    import openslide

    truth = plan_slide(SlideRecipe(width=700, height=500, seed=1))
    for name in ("a.svs", "b.svs"):
        twin = generate_ihc_twin(tmp_path / name, truth, seed=5, scale=0.5)
    assert (tmp_path / "a.svs").read_bytes() == (tmp_path / "b.svs").read_bytes()
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.dimensions == twin.transform.twin_px
        assert float(slide.properties["openslide.mpp-x"]) == 0.5
        assert float(slide.properties["openslide.objective-power"]) == 20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"marker": "XYZ"}, "XYZ"),
        ({"warp_um": -1.0}, "warp_um"),
        ({"warp_um": float("nan")}, "warp_um"),
        ({"scale": 8.0}, "scale"),
        ({"partial": 0.9}, "partial"),
        ({"wavelength_um": 0.1}, "wavelength_um"),
        ({"tears": 20, "folds": 20}, "no room"),
    ],
)
def test_what_cannot_be_made_is_refused(truth: SlideTruth, options: TwinOptions, told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        plan_ihc_twin(truth, **options)


def test_a_chromogen_that_the_marker_lacks_is_refused(truth: SlideTruth) -> None:
    with pytest.raises(InvalidValueError, match="permanent_red"):
        plan_ihc_twin(truth).positive_mask(0, 0, 10, 10, chromogen="permanent_red")
