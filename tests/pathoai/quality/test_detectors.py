"""Each artefact is found where it is and nowhere else, held to the truth of generated slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.quality.artefacts import AIR_BUBBLE, ARTEFACTS, BLOOD, BLUR, FOLD, GLASS_EDGE, PEN
from pathoai.quality.cells import CellGrid
from pathoai.quality.quality_map import classify
from pathoai.store.header import StoreHeader
from pathoai.testing.generated_slide import plan_slide
from pathoai.testing.ihc_twin import TwinPainter, plan_ihc_twin
from pathoai.testing.slide_truth import SlideRecipe
from pathoai.tissue.preset import H_AND_E
from tests.pathoai.quality.judged_slides import (
    MPP,
    SIDE,
    SpoiledSlide,
    cell_grid,
    measured,
    slide,
    with_black_band,
    with_blood,
    with_coverslip_edge,
)


@pytest.mark.parametrize(
    ("kind", "artefact", "seed", "least"),
    [
        ("pen", PEN, 5, 0.97),
        ("fold", FOLD, 5, 0.75),
        ("blur", BLUR, 5, 0.95),
        ("bubble", AIR_BUBBLE, 6, 0.97),
        ("bubble", AIR_BUBBLE, 7, 0.97),  # half of it lies on glass
    ],
)
def test_artefacts_are_found_where_they_are(
    kind: str, artefact: LabelClass, seed: int, least: float
) -> None:
    spoiled = slide(kind, seed)
    found = spoiled.classes()
    assert spoiled.sensitivity(found, artefact) >= least
    assert spoiled.false_alarms(found) < 0.005


@pytest.mark.parametrize(("seed", "organ"), [(5, "breast"), (6, "cervix")])
def test_a_clean_slide_is_clean(seed: int, organ: str) -> None:
    clean = slide("", seed, organ)
    assert (clean.classes()[clean.tissue] > 0).mean() < 0.002


@pytest.mark.parametrize(
    ("spoil", "artefact", "least"),
    [
        (lambda clean: with_blood(clean, (620, 560)), BLOOD, 0.85),
        (lambda clean: with_coverslip_edge(clean, 500), GLASS_EDGE, 0.8),
        (lambda clean: with_black_band(clean, 400), GLASS_EDGE, 0.95),
    ],
    ids=["blood", "edge of a coverslip", "black rim"],
)
def test_what_generated_slides_lack(
    spoil: Callable[[SpoiledSlide], SpoiledSlide], artefact: LabelClass, least: float
) -> None:
    spoiled = spoil(slide())
    found = spoiled.classes()
    hit = (found == artefact.index)[spoiled.tissue & spoiled.spoiled]
    assert hit.size > 30
    assert hit.mean() >= least
    assert spoiled.false_alarms(found) < 0.005


def test_brown_is_no_artefact() -> None:
    """DAB is as dense as a fold and its counterstain as blue as ink; a stain is neither."""
    recipe = SlideRecipe(width=SIDE, height=SIDE, mpp=MPP, seed=6, organ="cervix")
    twin = plan_ihc_twin(
        plan_slide(recipe), marker="AE1AE3", rotation_degrees=0, translation_um=(0, 0), warp_um=0
    )
    pixels = TwinPainter(twin).paint(0, 0, SIDE, SIDE)
    cells = H_AND_E(pixels, MPP).reshape(SIDE // 16, 16, SIDE // 16, 16)
    tissue = np.asarray(cells.all(axis=(1, 3)))
    assert tissue.sum() > 2000
    found = classify(measured(pixels), tissue, cell_grid())
    assert (found[tissue] > 0).mean() < 0.01


def test_off_tissue_nothing_is_assessed() -> None:
    inked = slide("pen")
    found = inked.classes()
    np.testing.assert_array_equal(found == NOT_ASSESSED, ~inked.tissue)
    nothing = np.zeros_like(inked.tissue)
    assert (classify(measured(inked.pixels), nothing, cell_grid()) == NOT_ASSESSED).all()


def test_real_ink_on_a_real_biopsy(real_data: Path) -> None:
    """The right half of a picture of about 2 µm per pixel; the ink is where it is seen to be."""
    image = Image.open(real_data / "tissue_qc" / "slide_with_ink.jpeg").convert("RGB")
    pixels = np.asarray(image)[:, 2800:]
    height, width = pixels.shape[0] // 8, pixels.shape[1] // 8
    mask = H_AND_E(pixels, 2.0)[: 8 * height, : 8 * width]
    tissue = mask.reshape(height, 8, width, 8).mean(axis=(1, 3)) > 0.5
    cells = CellGrid.of(StoreHeader("S", 8 * width, 8 * height, 2.0, 2.0, 2.0))
    found = classify(measured(pixels[: 8 * height, : 8 * width], cells), tissue, cells)
    pen = found == PEN.index
    place = np.zeros_like(pen)
    place[85:120, 95:160] = True
    assert pen[place].sum() > 120
    assert not pen[~place].any()
    for artefact in (FOLD, AIR_BUBBLE, BLOOD, GLASS_EDGE):
        assert (found == artefact.index)[tissue].mean() < 0.02, artefact.key


@pytest.mark.parametrize("name", ["OS-1-detail", "OS-2-ndpi", "OS-2-vsi"])
@pytest.mark.parametrize("blur_um", [0.0, 1.6, 3.2])
def test_real_tissue_is_out_of_focus_only_where_it_was_blurred(
    real_data: Path, name: str, blur_um: float
) -> None:
    """H&E, and Ki-67 by two scanners: round brown and blue nuclei on pale ground, sharp as seen."""
    with tifffile.TiffFile(real_data / "wsi" / "openslide_crops" / f"{name}.ome.tif") as file:
        pixels = file.asarray()[..., :3]
    mpp = {"OS-1-detail": 0.2304, "OS-2-ndpi": 0.2271, "OS-2-vsi": 0.3461}[name]
    sigma = blur_um / mpp
    pixels = np.asarray(ndimage.gaussian_filter(pixels, (sigma, sigma, 0)))
    cells = CellGrid.of(StoreHeader("S", pixels.shape[1], pixels.shape[0], mpp, mpp, mpp))
    height, width = (side // cells.factor for side in pixels.shape[:2])
    side = cells.cell_px * cells.detail
    whole = Image.fromarray(pixels[: height * cells.factor, : width * cells.factor])
    seen = measured(
        np.asarray(whole.resize((width * side, height * side), Image.Resampling.BOX)), cells
    )
    tissue = seen.density.mean(axis=0) > 0.1
    assert tissue.sum() > 100
    share = (classify(seen, tissue, cells) == BLUR.index)[tissue].mean()
    assert share < 0.03 if blur_um == 0 else share > 0.85


def test_artefacts_have_names_in_both_languages_and_colours_of_their_own() -> None:
    assert [artefact.index for artefact in ARTEFACTS] == list(range(1, len(ARTEFACTS) + 1))
    assert len({artefact.colour for artefact in ARTEFACTS}) == len(ARTEFACTS)
    assert all(artefact.name and artefact.name_fr for artefact in ARTEFACTS)
