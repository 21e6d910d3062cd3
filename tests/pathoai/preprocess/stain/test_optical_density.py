"""Density and its affine map, against the formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.optical_density import (
    change_density,
    density_to_pixels,
    in_pieces,
    optical_density,
    pixel_density,
)

# Black, white, saturated and nearly so: where logarithms and clipping go wrong.
_EDGES = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 254], [1, 128, 255]], np.uint8)

_SIDE = st.integers(1, 9)
BATCHES = st.tuples(st.integers(1, 3), st.just(3), _SIDE, _SIDE).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


def with_edges(batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The batch with five more columns that hold the edges."""
    columns = np.broadcast_to(_EDGES.T[None, :, None], (*batch.shape[:3], len(_EDGES)))
    return np.concatenate([batch, columns], axis=3)


def by_definition(
    batch: NDArray[np.uint8], matrix: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Beer and Lambert in float64: density @ matrix + shift, and back to 0 to 255, not rounded."""
    density = -np.log((batch.astype(np.float64) + 1) / 256)
    changed = np.einsum("nchw,ncd->ndhw", density, matrix) + shift[:, :, None, None]
    return np.asarray(np.clip(256 * np.exp(-changed) - 1, 0, 255))


@given(BATCHES, st.integers(0, 2**32 - 1))
def test_any_map_of_density_is_within_rounding_of_float64(
    batch: NDArray[np.uint8], seed: int
) -> None:
    batch = with_edges(batch)
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-2, 2, (len(batch), 3, 3))
    shift = rng.uniform(-1, 1, (len(batch), 3))
    found = change_density(
        torch.from_numpy(batch), torch.from_numpy(matrix), torch.from_numpy(shift)
    )
    expected = by_definition(batch, matrix, shift)
    # Half a level is the rounding to 8 bits itself.
    assert found.dtype == torch.uint8
    assert np.abs(found.numpy() - expected).max() < 0.51


@given(BATCHES, st.integers(0, 2**32 - 1))
def test_floating_point_images_follow_the_same_formula(batch: NDArray[np.uint8], seed: int) -> None:
    batch = with_edges(batch)
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-2, 2, (len(batch), 3, 3))
    found = change_density(torch.from_numpy(batch) / 255, torch.from_numpy(matrix))
    expected = by_definition(batch, matrix, np.zeros((len(batch), 3))) / 255
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() < 0.01 / 255


def test_the_identity_changes_none_of_the_256_values() -> None:
    values = torch.arange(256, dtype=torch.uint8).expand(2, 3, 1, 256)
    assert torch.equal(change_density(values, torch.eye(3)), values)


def test_pixels_of_density_give_back_all_256_values() -> None:
    values = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    assert torch.equal(density_to_pixels(optical_density(values), torch.uint8), values)


def test_white_has_no_density_and_black_the_most() -> None:
    batch = torch.tensor([255, 0], dtype=torch.uint8).expand(1, 3, 1, 2)
    expected = torch.tensor([0.0, 8 * math.log(2)]).expand(1, 3, 1, 2)
    assert torch.allclose(optical_density(batch), expected, atol=1e-6)
    assert torch.allclose(optical_density(batch / 255), expected, atol=1e-6)


def test_density_of_single_pixels_is_that_of_batches() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3), dtype=np.uint8)
    batch = torch.from_numpy(pixels.T.copy()).reshape(1, 3, 1, 40)
    assert np.allclose(pixel_density(pixels).T, optical_density(batch)[0, :, 0].numpy(), atol=1e-6)


def test_values_outside_white_and_black_are_clipped() -> None:
    batch = torch.tensor([-0.5, 1.5]).expand(1, 3, 1, 2)
    expected = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    assert torch.allclose(change_density(batch, torch.eye(3)), expected, atol=1e-6)


def test_an_extreme_map_saturates_and_is_never_undefined() -> None:
    batch = torch.from_numpy(with_edges(np.full((1, 3, 1, 1), 90, np.uint8)))
    for factor in (-1e4, 1e4):
        found = change_density(batch, factor * torch.eye(3))
        stained = batch != 255
        assert set(found[stained].tolist()) == ({255} if factor < 0 else {0})


@pytest.mark.parametrize("shape", [(9, 3, 200, 100), (2, 3, 300, 512), (1, 3, 2, 70_000)])
def test_a_batch_in_pieces_is_the_batch_at_once(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 256, shape, dtype=np.uint8)
    matrix = np.eye(3) + 0.1 * rng.standard_normal((len(batch), 3, 3))
    shift = rng.uniform(-0.1, 0.1, (len(batch), 3))
    images = torch.from_numpy(batch)
    pieces: list[torch.Tensor] = []

    def look(piece: torch.Tensor, _: slice) -> torch.Tensor:
        pieces.append(piece)
        return piece

    assert torch.equal(in_pieces(images, look), images)
    assert len(pieces) > 1
    found = change_density(images, torch.from_numpy(matrix), torch.from_numpy(shift)).numpy()
    assert np.abs(found - by_definition(batch, matrix, shift)).max() < 0.51


def test_the_order_of_memory_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    channels_last = torch.from_numpy(rng.integers(0, 256, (2, 7, 9, 3), dtype=np.uint8))
    batch = channels_last.permute(0, 3, 1, 2)
    matrix = torch.eye(3) + 0.2
    assert torch.equal(change_density(batch, matrix), change_density(batch.contiguous(), matrix))


def test_an_empty_batch_stays_empty() -> None:
    batch = torch.empty(0, 3, 4, 4, dtype=torch.uint8)
    assert change_density(batch, torch.eye(3)).shape == (0, 3, 4, 4)


def test_autocast_does_not_round_densities() -> None:
    rng = np.random.default_rng(3)
    batch = torch.from_numpy(rng.integers(0, 256, (2, 3, 16, 16), dtype=np.uint8))
    matrix = torch.eye(3) + 0.2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = change_density(batch, matrix)
    assert torch.equal(inside, change_density(batch, matrix))


def test_every_step_runs_on_the_device_of_the_batch() -> None:
    """On the meta device, a tensor left on the CPU, or a look at values, is an error."""
    for dtype in (torch.uint8, torch.float32):
        batch = torch.empty(2, 3, 8, 8, dtype=dtype, device="meta")
        found = change_density(batch, torch.eye(3), torch.zeros(3))
        assert found.device.type == "meta"
        assert (found.shape, found.dtype) == (batch.shape, dtype)


@pytest.mark.parametrize(
    "batch",
    [
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 8, 8, 3, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8, dtype=torch.int64),
    ],
)
def test_what_is_no_batch_of_colour_images_is_refused(batch: torch.Tensor) -> None:
    with pytest.raises(InvalidValueError, match="not a batch of colour images"):
        change_density(batch, torch.eye(3))
    with pytest.raises(InvalidValueError, match="not a batch of colour images"):
        optical_density(batch)
