"""The generated slide agrees with its truth, in every rectangle and on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.generated_slide import (
    SlideRecipe,
    SlideTruth,
    generate_slide,
    paint_region,
    painter_of,
    plan_slide,
)
from pathoai.testing.slide_truth import Organ, Vendor
from pathoai.testing.staining import EOSIN, HEMATOXYLIN, WHITE


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SlideTruth]:
    """A breast slide of 1500 px on disk, and its truth."""
    path = tmp_path_factory.mktemp("slide") / "breast.svs"
    return path, generate_slide(path, SlideRecipe(width=1700, height=1500, seed=4))


def hematoxylin_density(picture: NDArray[Any]) -> NDArray[Any]:
    """Amount of hematoxylin by deconvolution, (height, width)."""
    vectors = np.array([HEMATOXYLIN, EOSIN, np.cross(HEMATOXYLIN, EOSIN)])
    density = -np.log10(np.maximum(picture, 1) / np.asarray(WHITE))
    return np.asarray(density @ np.linalg.inv(vectors))[..., 0]


def area_under_curve(positive: NDArray[Any], negative: NDArray[Any]) -> float:
    """Probability that a positive value exceeds a negative one."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positive, negative]))[: positive.size]
    rank_sum = ranks.sum() - positive.size * (positive.size + 1) / 2
    return float(rank_sum / (positive.size * negative.size))


def test_same_seed_gives_the_same_file_and_truth(tmp_path: Path) -> None:
    recipe = SlideRecipe(width=700, height=600, seed=9)
    first = generate_slide(tmp_path / "a.svs", recipe)
    second = generate_slide(tmp_path / "b.svs", recipe)
    assert (tmp_path / "a.svs").read_bytes() == (tmp_path / "b.svs").read_bytes()
    np.testing.assert_array_equal(first.nuclei.x, second.nuclei.x)
    assert [r.polygon.wkt for r in first.regions] == [r.polygon.wkt for r in second.regions]


def test_another_seed_gives_another_slide() -> None:
    one = plan_slide(SlideRecipe(width=700, height=600, seed=1))
    other = plan_slide(SlideRecipe(width=700, height=600, seed=2))
    assert not np.array_equal(
        paint_region(one, 0, 0, 700, 600), paint_region(other, 0, 0, 700, 600)
    )


def test_file_holds_what_was_painted(written: tuple[Path, SlideTruth]) -> None:
    import tifffile

    path, truth = written
    stored = tifffile.imread(path, level=0)
    painted = paint_region(truth, 0, 0, 1700, 1500)
    assert stored.shape == painted.shape
    assert np.abs(stored.astype(int) - painted.astype(int)).mean() < 4.0


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    x=st.integers(0, 1300),
    y=st.integers(0, 1200),
    width=st.integers(1, 400),
    height=st.integers(1, 300),
)
def test_any_rectangle_equals_the_crop_of_the_whole(
    whole: tuple[SlideTruth, NDArray[Any], NDArray[Any], NDArray[Any]],
    x: int,
    y: int,
    width: int,
    height: int,
) -> None:
    truth, picture, instances, classes = whole
    crop = (slice(y, y + height), slice(x, x + width))
    box = (x, y, width, height)
    np.testing.assert_array_equal(painter_of(truth).paint(*box), picture[crop])
    np.testing.assert_array_equal(truth.nuclei_instances(*box), instances[crop])
    np.testing.assert_array_equal(truth.nuclei_classes(*box), classes[crop])


@pytest.fixture(scope="module")
def whole(
    written: tuple[Path, SlideTruth],
) -> tuple[SlideTruth, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Truth, picture, instance mask and class mask of the whole slide."""
    truth = written[1]
    box = (0, 0, 1700, 1500)
    return (
        truth,
        paint_region(truth, *box),
        truth.nuclei_instances(*box),
        truth.nuclei_classes(*box),
    )


def test_masks_of_instances_and_classes_agree(
    whole: tuple[SlideTruth, NDArray[Any], NDArray[Any], NDArray[Any]],
) -> None:
    truth, _, instances, classes = whole
    table = np.concatenate([[0], truth.nuclei.class_index + 1])
    np.testing.assert_array_equal(table[instances], classes)
    assert set(np.unique(instances)) == set(range(len(truth.nuclei) + 1))


def test_nuclei_are_dark_where_the_truth_says(
    whole: tuple[SlideTruth, NDArray[Any], NDArray[Any], NDArray[Any]],
) -> None:
    import shapely

    truth, picture, instances, _ = whole
    density = hematoxylin_density(picture)[::3, ::3]
    rows, columns = np.mgrid[0:1500:3, 0:1700:3]
    inside = shapely.contains_xy(truth.tissue, columns.ravel() + 0.5, rows.ravel() + 0.5)
    nucleus = (instances[::3, ::3] > 0).ravel()
    values = density.ravel()
    assert area_under_curve(values[inside & nucleus], values[inside & ~nucleus]) > 0.95


def test_tissue_is_recovered_from_the_thumbnail_by_otsu(written: tuple[Path, SlideTruth]) -> None:
    import openslide
    from scipy import ndimage
    from shapely import contains_xy
    from skimage import filters

    otsu: Callable[..., float] = filters.threshold_otsu
    path, truth = written
    with openslide.OpenSlide(path) as slide:
        thumbnail = np.asarray(slide.associated_images["thumbnail"].convert("RGB"))
    green = ndimage.gaussian_filter(thumbnail[..., 1].astype(float), 2.0)
    found = ndimage.binary_fill_holes(green < otsu(green))
    step = 1700 / thumbnail.shape[1]
    rows, columns = np.indices(found.shape)
    shown = contains_xy(truth.tissue, (columns + 0.5) * step, (rows + 0.5) * step)
    assert (found & shown).sum() / (found | shown).sum() > 0.9


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.55, 0.7])
def test_tissue_covers_the_share_asked_for(fraction: float) -> None:
    truth = plan_slide(SlideRecipe(width=3000, height=2600, tissue_fraction=fraction, seed=3))
    assert truth.tissue.area / (3000 * 2600) == pytest.approx(fraction, abs=0.04)


def test_slide_is_surrounded_by_glass(
    whole: tuple[SlideTruth, NDArray[Any], NDArray[Any], NDArray[Any]],
) -> None:
    picture = whole[1].astype(int)
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert np.abs(edge - np.asarray(WHITE)).max() < 8


@pytest.mark.parametrize("organ", ["breast", "cervix"])
def test_regions_divide_the_tissue(organ: Organ) -> None:
    import shapely

    truth = plan_slide(SlideRecipe(width=3000, height=3000, organ=organ, seed=2))
    assert {region.class_key for region in truth.regions} == set(truth.layout.regions)
    polygons = [region.polygon for region in truth.regions]
    assert all(polygon.is_valid for polygon in polygons)
    union = shapely.union_all(polygons)
    assert sum(polygon.area for polygon in polygons) == pytest.approx(union.area, rel=0.01)
    assert union.difference(truth.tissue.buffer(2)).area < 0.001 * union.area
    assert union.area > 0.9 * truth.tissue.area


def test_nuclei_lie_in_the_region_of_their_kind() -> None:
    import shapely

    truth = plan_slide(SlideRecipe(width=3000, height=3000, seed=2))
    keys = truth.nuclei.class_keys
    chosen = truth.nuclei.class_index == keys.index("nucleus_neoplastic")
    lesion = shapely.union_all(
        [r.polygon for r in truth.regions if r.class_key in ("invasive_nst", "dcis")]
    )
    inside = shapely.contains_xy(lesion.buffer(2), truth.nuclei.x[chosen], truth.nuclei.y[chosen])
    assert chosen.sum() > 50
    assert inside.mean() > 0.99


@pytest.mark.parametrize(
    ("organ", "lesions", "absent"),
    [
        ("breast", (), {"invasive_nst", "dcis"}),
        ("cervix", ("lsil",), {"hsil", "invasive_scc"}),
        ("cervix", (), {"lsil", "hsil", "invasive_scc"}),
    ],
)
def test_only_the_lesions_asked_for_occur(
    organ: Organ, lesions: tuple[str, ...], absent: set[str]
) -> None:
    truth = plan_slide(SlideRecipe(width=2048, height=2048, organ=organ, lesions=lesions, seed=1))
    assert not {region.class_key for region in truth.regions} & absent
    if not lesions:
        assert truth.nuclei.class_keys.index("nucleus_neoplastic") not in truth.nuclei.class_index


def test_density_of_hsil_exceeds_that_of_benign_epithelium() -> None:
    import shapely

    truth = plan_slide(SlideRecipe(width=4096, height=4096, organ="cervix", seed=3))
    density = {}
    for key in ("benign", "lsil", "hsil"):
        area = shapely.union_all([r.polygon for r in truth.regions if r.class_key == key])
        inside = shapely.contains_xy(area, truth.nuclei.x, truth.nuclei.y)
        dark = truth.nuclei.class_index == truth.nuclei.class_keys.index("nucleus_neoplastic")
        density[key] = (inside & dark).sum() / area.area
    assert density["benign"] < 0.2 * density["lsil"]
    assert density["lsil"] < density["hsil"]


@settings(max_examples=6, deadline=None)
@given(
    width=st.integers(256, 1100),
    height=st.integers(256, 900),
    seed=st.integers(0, 2**40),
    organ=st.sampled_from(["breast", "cervix"]),
    vendor=st.sampled_from(["aperio", "generic-tiff"]),
)
def test_any_size_is_written_and_opens(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    seed: int,
    organ: Organ,
    vendor: Vendor,
) -> None:
    import openslide

    path = tmp_path_factory.mktemp("odd") / "slide.tif"
    recipe = SlideRecipe(width=width, height=height, seed=seed, organ=organ, vendor=vendor)
    truth = generate_slide(path, recipe)
    with openslide.OpenSlide(path) as slide:
        assert slide.dimensions == (width, height)
        slide.read_region((width - 40, height - 40), 0, (40, 40))
    assert truth.nuclei_instances(0, 0, width, height).shape == (height, width)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 10},
        {"height": 300.5},
        {"mpp": 0.0},
        {"mpp": float("nan")},
        {"seed": -1},
        {"organ": "liver"},
        {"tissue_fraction": 0.95},
        {"artefacts": ("coffee",)},
        {"artefacts": "pen"},
        {"vendor": "hamamatsu"},
        {"objective_power": 0},
        {"lesions": ("hsil",)},
    ],
)
def test_a_wrong_recipe_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        SlideRecipe(**wrong)  # type: ignore[arg-type]  # wrong values are tested


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate_slide(
        tmp_path / "s.svs",
        SlideRecipe(width=300, height=1300),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_import_is_light() -> None:
    heavy = "import sys, pathoai.testing.generated_slide, pathoai.testing.ihc_twin\n"
    heavy += "print([m for m in ('torch', 'skimage', 'scipy', 'shapely', 'tifffile') "
    heavy += "if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
