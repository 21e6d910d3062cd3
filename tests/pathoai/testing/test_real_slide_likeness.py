"""The stain of generated slides is close to that of a real, public one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai.testing.staining import EOSIN, HEMATOXYLIN


def stain_quantiles(picture: NDArray[Any]) -> NDArray[Any]:
    """Quartiles (2, 3) of hematoxylin and eosin within tissue."""
    vectors = np.array([HEMATOXYLIN, EOSIN, np.cross(HEMATOXYLIN, EOSIN)])
    density = -np.log10(np.maximum(picture, 1) / 244.0)
    stains = density[density.sum(axis=-1) > 0.15] @ np.linalg.inv(vectors)
    return np.asarray(np.quantile(stains[:, :2], [0.25, 0.5, 0.75], axis=0).T)


@pytest.fixture(scope="module")
def generated() -> NDArray[Any]:
    """A whole generated slide at the scale of the real ones, (height, width, 3) uint8."""
    truth = plan_slide(SlideRecipe(width=1500, height=1500, mpp=0.5, seed=1))
    return paint_region(truth, 0, 0, 1500, 1500)


def test_quartiles_of_both_stains_are_those_of_breast_tissue(
    generated: NDArray[Any], real_data: Path
) -> None:
    from PIL import Image

    paths = sorted((real_data / "breast_cells_m2c" / "images").glob("*.png"))[::6]
    pixels = [np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)[::11] for path in paths]
    gap = np.abs(stain_quantiles(generated) - stain_quantiles(np.concatenate(pixels)))
    assert gap.max() < 0.12


def test_eosin_is_that_of_a_real_slide_and_hematoxylin_within_its_range(
    generated: NDArray[Any], real_data: Path
) -> None:
    import openslide

    with openslide.OpenSlide(real_data / "wsi" / "cmu-1-small-region.svs") as slide:
        real = np.asarray(slide.read_region((300, 400), 0, (1300, 2000)).convert("RGB"))
    gap = np.abs(stain_quantiles(generated) - stain_quantiles(real))
    # That section is skin, rich in dark squamous epithelium: only its eosin must agree.
    assert gap[1].max() < 0.1
    assert gap[0].max() < 0.45
