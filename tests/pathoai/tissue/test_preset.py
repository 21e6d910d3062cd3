"""Each preset finds the tissue it is for, held to the truth of generated slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pathoai import entry_points
from pathoai.tissue.ink import ink_on_glass
from pathoai.tissue.mask import GROUP
from pathoai.tissue.preset import FATTY_BREAST, H_AND_E, PRESETS, TissuePreset
from tests.pathoai.tissue.thumbnails import MPP, Thumbnail, faded, fatty, soiled

DETECTING = [preset for preset in PRESETS.values() if preset.detector is not None]


def _dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def _recall(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((found & truth).sum() / truth.sum())


def _as_it_is(slide: Thumbnail) -> Thumbnail:
    return slide


CASES = [
    ("h-and-e", "breast", _as_it_is, 0.98),
    ("h-and-e", "cervix", _as_it_is, 0.98),
    ("h-and-e", "breast", faded, 0.98),
    ("h-and-e", "biopsies", _as_it_is, 0.96),
    ("biopsy", "biopsies", _as_it_is, 0.94),
    ("biopsy", "biopsies", faded, 0.97),
    ("ihc", "ki67", _as_it_is, 0.98),
    ("ihc", "cervix", _as_it_is, 0.97),
    ("faint", "ki67", faded, 0.96),
    ("faint", "breast", faded, 0.95),
    ("fatty-breast", "breast", fatty, 0.96),
]


@pytest.mark.parametrize(("name", "slide", "change", "least_dice"), CASES)
@pytest.mark.parametrize("is_soiled", [False, True], ids=["clean", "soiled"])
def test_tissue_is_found_where_it_is(
    name: str,
    slide: str,
    change: Callable[[Thumbnail], Thumbnail],
    least_dice: float,
    is_soiled: bool,
    request: pytest.FixtureRequest,
) -> None:
    """Rims, edges of coverslips, seams, dust and shadows cost at most 0.05 of Dice."""
    seen = change(request.getfixturevalue(slide))
    if is_soiled:
        seen = soiled(seen)
    found = PRESETS[name](seen.pixels, MPP)
    assert _dice(found, seen.tissue) > least_dice - (0.05 if is_soiled else 0)
    assert _recall(found, seen.tissue) > 0.975


def test_no_biopsy_is_lost(biopsies: Thumbnail) -> None:
    pieces, count = ndimage.label(biopsies.tissue)
    assert count >= 4
    for name in ("h-and-e", "biopsy", "ihc", "faint"):
        found = PRESETS[name](soiled(biopsies).pixels, MPP)
        shares = ndimage.mean(found, pieces, np.arange(1, count + 1))
        assert min(shares) > 0.95, name


def test_fat_is_what_its_preset_is_for(breast: Thumbnail) -> None:
    seen = fatty(breast, share=0.8)
    assert _recall(FATTY_BREAST(seen.pixels, MPP), seen.tissue) > 0.98
    assert _recall(H_AND_E(seen.pixels, MPP), seen.tissue) < 0.97


INKS = {
    "blue": (1.05, 0.62, 0.16),
    "green": (0.95, 0.25, 0.70),
    "red": (0.07, 0.95, 0.80),
    "black": (1.20, 1.20, 1.15),
}


@pytest.mark.parametrize("name", ["h-and-e", "biopsy", "ihc", "faint"])
@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("strength", [1.0, 0.2], ids=["stained", "faint"])
def test_ink_is_no_tissue_and_costs_none(
    name: str, ink: str, strength: float, breast: Thumbnail
) -> None:
    """A pen line through the pieces: none of it on glass is taken, none beside it is lost."""
    slide = faded(breast, strength)
    height, width = slide.tissue.shape
    y, x = np.mgrid[:height, :width]
    line = np.abs(y - height / 2 - 60 * np.sin(x / 90)) < 12
    pixels = slide.pixels.astype(float)
    pixels[line] *= 10 ** -np.array(INKS[ink])
    drawn = ndimage.gaussian_filter(pixels, (1, 1, 0)).astype(np.uint8)
    found = PRESETS[name](drawn, MPP)
    on_glass = line & ~ndimage.binary_dilation(slide.tissue, iterations=6)
    assert on_glass.sum() > 1000
    assert found[on_glass].mean() < 0.01
    beside = slide.tissue & ~ndimage.binary_dilation(line, iterations=6)
    assert _recall(found, beside) > 0.97


def test_stain_is_no_ink(breast: Thumbnail, cervix: Thumbnail, ki67: Thumbnail) -> None:
    for slide in (breast, cervix, ki67):
        assert not ink_on_glass(slide.pixels, MPP).any()


def _glass(kind: str) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    even = np.full((300, 400, 3), 241.0)
    if kind == "tinted":
        even += (0, -6, 3)
    elif kind == "stitched":
        even[:, 200:] = 246
        even[150:] += 4
        even[250:] = 255
    elif kind == "shaded":
        even -= 25 * np.hypot(*np.mgrid[-1:1:300j, -1:1:400j])[..., None]
    noisy = even + rng.normal(0, 2 if kind == "noisy" else 1, even.shape)
    return np.asarray(noisy.round().clip(0, 255), dtype=np.uint8)


@pytest.mark.parametrize("preset", DETECTING, ids=lambda preset: preset.name)
@pytest.mark.parametrize("kind", ["even", "tinted", "noisy", "stitched", "shaded"])
@pytest.mark.parametrize("mpp", [2.0, 8.0])
def test_glass_alone_holds_no_tissue(preset: TissuePreset, kind: str, mpp: float) -> None:
    assert not preset(_glass(kind), mpp).any()


@pytest.mark.parametrize("preset", DETECTING, ids=lambda preset: preset.name)
def test_black_alone_holds_no_tissue(preset: TissuePreset) -> None:
    noise = np.random.default_rng(0).integers(0, 8, (200, 300, 3))
    assert not preset(noise.astype(np.uint8), 8.0).any()


@pytest.mark.parametrize("name", ["h-and-e", "biopsy"])
def test_a_field_of_even_stain_is_all_tissue(name: str) -> None:
    rng = np.random.default_rng(0)
    stain = (np.array([200, 110, 170]) + rng.normal(0, 6, (120, 120, 3))).clip(0, 255)
    assert PRESETS[name](stain.astype(np.uint8), 8.0).all()


def test_the_whole_is_the_whole() -> None:
    assert PRESETS["whole"](_glass("even"), 8.0).all()


def test_a_shred_of_mucosa_is_found_when_it_is_all_there_is() -> None:
    """40 × 60 µm of the palest pink, on a slide of 2.4 × 3.2 mm of glass."""
    pixels = _glass("even")
    pixels[100:105, 200:208] -= np.array([0, 14, 9], np.uint8)
    found = PRESETS["biopsy"](pixels, 8.0)
    assert found[101:104, 201:207].all()
    assert found.sum() < 100


def test_the_scale_of_the_picture_changes_little(breast: Thumbnail) -> None:
    height, width = breast.tissue.shape
    half = Image.fromarray(breast.pixels).resize((width // 2, height // 2), Image.Resampling.BOX)
    for preset in DETECTING:
        fine = preset(breast.pixels, MPP).mean()
        coarse = preset(np.asarray(half), 2 * MPP).mean()
        assert coarse == pytest.approx(fine, rel=0.04), preset.name


def test_every_preset_is_registered_under_its_name() -> None:
    assert set(PRESETS) | {"otsu"} == set(entry_points.names_in(GROUP))
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert entry_points.load(GROUP, name) is preset
    # Stores and scripts made before there were presets say so.
    assert entry_points.load(GROUP, "otsu") is H_AND_E


def _real(path: Path, downsample: int) -> NDArray[np.uint8]:
    image = Image.open(path).convert("RGB")
    size = (image.width // downsample, image.height // downsample)
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def test_a_real_slide_with_ink(real_data: Path) -> None:
    """Ink at the lower edge of a biopsy: what lies on glass goes, the biopsy stays."""
    pixels = _real(real_data / "tissue_qc" / "slide_with_ink.jpeg", 4)
    for name in ("h-and-e", "biopsy", "ihc"):
        found = PRESETS[name](pixels, 8.0)
        assert 0.25 < found.mean() < 0.35, name
        # Outlined by eye: the lower, pure part of the ink, and the white and grey around all.
        assert found[227:237, 935:1000].mean() < 0.03, name
        assert found[:25, 200:600].mean() < 0.01, name
        assert found[140:170, 850:900].mean() > 0.95, name
        # The shadow of a grain out of focus, on the glass.
        assert found[120:140, 683:705].mean() < 0.05, name


def test_every_core_of_a_real_micro_array(real_data: Path) -> None:
    """72 cores to be seen by eye; one is almost empty, some are torn."""
    pixels = _real(real_data / "tissue_qc" / "tma_spots.jpeg", 2)
    found = H_AND_E(pixels, 8.0)
    assert not found[:500].any()
    areas = np.bincount(ndimage.label(ndimage.binary_closing(found, iterations=4))[0].ravel())[1:]
    assert 85 <= (areas > 200).sum() <= 100
    assert 0.06 < found.mean() < 0.12


@pytest.mark.parametrize(
    ("preset", "path", "fraction"),
    [
        ("h-and-e", "rat-kidney_/scale-5pc/Rat-Kidney_HE.jpg", (0.58, 0.68)),
        ("ihc", "rat-kidney_/scale-5pc/Rat-Kidney_PanCytokeratin.jpg", (0.60, 0.70)),
        ("faint", "rat-kidney_/scale-5pc/Rat-Kidney_PanCytokeratin.jpg", (0.60, 0.73)),
        ("ihc", "lesions_/scale-5pc/Izd2-29-041-w35_proSPC.jpg", (0.80, 0.97)),
    ],
)
def test_real_sections(
    preset: str, path: str, fraction: tuple[float, float], real_data: Path
) -> None:
    pixels = _real(real_data / "registration" / "birl" / path, 1)
    found = PRESETS[preset](pixels, 10.0)
    assert fraction[0] < found.mean() < fraction[1]
