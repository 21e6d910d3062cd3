"""The stain of a slide in numbers: alike for slides of one laboratory, unlike for another's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import NoTissueError
from pathoai.geometry import Size
from pathoai.models.reference_statistics import ReferenceStatistics
from pathoai.preprocess.stain.stain_jitter import change_stains
from pathoai.preprocess.stain.stain_vector import stain_vector, stain_vector_of_store
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideRecipe, generate_slide

_SLIDES = 24


def _restained(pixels: NDArray[np.uint8], amounts: tuple[float, float]) -> NDArray[np.uint8]:
    batch = torch.from_numpy(pixels.reshape(1, -1, 1, 3).transpose(0, 3, 1, 2).copy())
    scale = torch.tensor([[*amounts, 1.0]])
    changed = change_stains(batch, scale, torch.zeros(1, 3))
    return np.asarray(changed.numpy().transpose(0, 2, 3, 1).reshape(-1, 3))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.uint8]]:
    """Tissue of generated slides, each stained a little differently, as days differ."""
    folder, rng = tmp_path_factory.mktemp("laboratory"), np.random.default_rng(2)
    slides = []
    for seed in range(_SLIDES):
        path = folder / f"{seed}.svs"
        generate_slide(path, SlideRecipe(width=640, height=560, mpp=1.0, seed=seed))
        with open_slide(path, slide_id="0123456789ABCDEF") as reader:
            pixels = reader.read_region(0, 0, 0, Size(640, 560)).reshape(-1, 3)
        first, second = rng.normal(1, 0.05, 2)
        slides.append(_restained(pixels, (float(first), float(second))))
    return slides


def test_another_laboratorys_stain_is_far_and_the_same_ones_is_not(
    laboratory: list[NDArray[np.uint8]],
) -> None:
    known, new = laboratory[:20], laboratory[20:]
    statistics = ReferenceStatistics.of([stain_vector(pixels) for pixels in known])

    def percentiles(slides: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        return statistics.percentile(statistics.distance([stain_vector(p) for p in slides]))

    assert np.median(percentiles(new)) < 90
    for amounts in ((0.5, 1.0), (1.0, 1.9), (1.7, 0.6)):
        shifted = [_restained(pixels, amounts) for pixels in new]
        assert percentiles(shifted) == pytest.approx(statistics.highest_percentile), amounts
    assert statistics.highest_percentile > 95


def test_glass_has_no_stain() -> None:
    with pytest.raises(NoTissueError, match="too little stained tissue"):
        stain_vector(np.full((5000, 3), 250, np.uint8))


def test_a_store_is_sampled_alike_each_time(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    first, second = stain_vector_of_store(store), stain_vector_of_store(store)
    assert first.shape == (10,)
    np.testing.assert_array_equal(first, second)
