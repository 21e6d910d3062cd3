from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.stain_jitter import StainJitter, change_stains
from pathoai.preprocess.stain.stain_matrix import (
    HEMATOXYLIN_DAB,
    HEMATOXYLIN_EOSIN,
    stain_matrix,
)

_EDGES = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 254], [1, 128, 255]], np.uint8)


def _batch(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (4, 3, 12, 10), dtype=np.uint8)
    )


def _in_three_steps(
    batch: NDArray[np.uint8],
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Unmix, change each amount, mix again: the publication's order, in float64."""
    density = -np.log((batch.astype(np.float64) + 1) / 256)
    amounts = np.einsum("nchw,cs->nshw", density, np.linalg.inv(matrix))
    amounts = amounts * scale[:, :, None, None] + shift[:, :, None, None]
    mixed = np.einsum("nshw,sc->nchw", amounts, matrix)
    return np.asarray(np.clip(256 * np.exp(-mixed) - 1, 0, 255))


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(3), st.integers(1, 8), st.just(6))),
    st.integers(0, 2**32 - 1),
    st.sampled_from([HEMATOXYLIN_EOSIN, HEMATOXYLIN_DAB]),
)
def test_one_matrix_does_what_the_three_steps_do(
    batch: NDArray[np.uint8], seed: int, vectors: tuple[tuple[float, float, float], ...]
) -> None:
    edges = np.broadcast_to(_EDGES.T[None, :, None], (*batch.shape[:3], len(_EDGES)))
    batch = np.concatenate([batch, edges], axis=3)
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.3, 1.7, (len(batch), 3))
    shift = rng.uniform(-0.3, 0.3, (len(batch), 3))
    matrix = stain_matrix(np.array(vectors))
    images = torch.from_numpy(batch)
    numbers = (torch.from_numpy(scale), torch.from_numpy(shift), matrix)
    expected = _in_three_steps(batch, scale, shift, matrix)
    assert np.abs(change_stains(images, *numbers).numpy() - expected).max() < 0.51
    as_float = change_stains(images / 255, *numbers).numpy()
    assert np.abs(as_float - expected / 255).max() < 0.01 / 255


def test_no_change_of_stains_changes_no_pixel() -> None:
    batch = _batch()
    assert torch.equal(change_stains(batch, torch.ones(4, 3), torch.zeros(4, 3)), batch)
    still = StainJitter(scale=0, shift=0)
    assert torch.equal(still(batch, torch.Generator().manual_seed(0)), batch)


def test_more_hematoxylin_is_darker_and_white_stays_white() -> None:
    stained = torch.tensor([120, 90, 170], dtype=torch.uint8)[None, :, None, None].expand(
        1, 3, 4, 4
    )
    scale, none = torch.tensor([[1.5, 1.0, 1.0]]), torch.zeros(1, 3)
    assert bool((change_stains(stained, scale, none) < stained).all())
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert torch.equal(change_stains(white, scale, none), white)


def test_the_generator_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = StainJitter()(_batch(), torch.Generator().manual_seed(5))
    torch.manual_seed(2)
    assert torch.equal(first, StainJitter()(_batch(), torch.Generator().manual_seed(5)))
    assert not torch.equal(first, StainJitter()(_batch(), torch.Generator().manual_seed(6)))


def test_each_image_of_a_batch_varies_by_itself_and_within_bounds() -> None:
    grey = torch.full((64, 3, 1, 1), 128, dtype=torch.uint8)
    shift = 0.05
    found = StainJitter(scale=0, shift=shift)(grey, torch.Generator().manual_seed(0)).float()
    assert len(torch.unique(found, dim=0)) > 32
    amounts = (
        -torch.log((found + 1) / 129).view(64, 3)
        @ torch.from_numpy(np.linalg.inv(stain_matrix())).float()
    )
    rounding = 0.02
    assert float(amounts.abs().max()) < shift + rounding
    assert float(amounts.abs().max()) > shift / 2


def test_jitter_runs_on_the_device_of_the_batch() -> None:
    batch = torch.empty(2, 3, 8, 8, dtype=torch.uint8, device="meta")
    assert StainJitter()(batch, torch.Generator()).device.type == "meta"


@pytest.mark.parametrize("values", [(1.0, 0.0), (-0.1, 0.0), (0.1, -0.1), (0.1, 1.1)])
def test_jitter_that_wipes_out_a_stain_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(InvalidValueError, match="stain jitter"):
        StainJitter(*values)
