"""Noise as a pure function of absolute position.

Every texture of a generated slide is read from a small periodic tile or from a coarse grid of
nodes, so that any rectangle can be painted alone, in any order, with the same result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatGrid = NDArray[np.float32]


def periodic_noise(
    generator: np.random.Generator, *, size: int, sigma_y: float, sigma_x: float
) -> FloatGrid:
    """Draw Gaussian noise that wraps around without a seam.

    Args:
        generator: Source of the white noise.
        size: Side of the square tile, in samples.
        sigma_y: Standard deviation of the smoothing kernel along y, in samples.
        sigma_x: The same along x.

    Returns:
        (size, size) float32, mean 0, standard deviation 1.
    """
    frequency_y = np.fft.fftfreq(size)[:, None]
    frequency_x = np.fft.rfftfreq(size)[None, :]
    kernel = np.exp(-2.0 * np.pi**2 * ((sigma_y * frequency_y) ** 2 + (sigma_x * frequency_x) ** 2))
    spectrum = np.fft.rfft2(generator.standard_normal((size, size))) * kernel
    smooth = np.fft.irfft2(spectrum, s=(size, size))
    smooth -= smooth.mean()
    return np.asarray(smooth / max(float(smooth.std()), 1e-12), dtype=np.float32)


def smooth_noise(
    generator: np.random.Generator, *, shape: tuple[int, int], sigma: float
) -> FloatGrid:
    """Draw smooth Gaussian noise on a whole grid of nodes.

    Args:
        generator: Source of the white noise.
        shape: Rows and columns of the grid.
        sigma: Standard deviation of the smoothing kernel, in nodes.

    Returns:
        `shape` float32, about mean 0 and standard deviation 1.
    """
    from scipy import ndimage

    # Wide kernels are drawn on a coarser grid: the result has no finer detail to lose.
    step = max(1, int(sigma / 4))
    coarse_shape = (shape[0] // step + 5, shape[1] // step + 5)
    white = generator.standard_normal(coarse_shape).astype(np.float32)
    coarse = ndimage.gaussian_filter(white, sigma / step, mode="wrap")
    # Divided by the expected deviation, not the sample's: a small slide must not turn the
    # last bit of a flat patch into full contrast.
    coarse *= np.float32(2.0 * np.sqrt(np.pi) * sigma / step)
    if step == 1:
        return np.ascontiguousarray(coarse[: shape[0], : shape[1]])
    return sample_grid(coarse, x=0, y=0, width=shape[1], height=shape[0], pitch=step)


def sample_grid(
    grid: FloatGrid,
    *,
    x: int,
    y: int,
    width: int,
    height: int,
    pitch: int,
    periodic: bool = False,
) -> FloatGrid:
    """Interpolate a grid of nodes at the pixel centres of a rectangle.

    Args:
        grid: (rows, columns) float32; node (i, j) lies at level-0 (j * pitch, i * pitch).
        x: Left edge of the rectangle, level-0 px; may be negative.
        y: Top edge.
        width: Width of the rectangle, px.
        height: Height.
        pitch: Distance between two nodes, px.
        periodic: Whether the grid wraps around; else its border values are repeated.

    Returns:
        (height, width) float32, by Catmull-Rom splines through the nodes.
    """
    rows, weights_y = _spline_weights(y, height, pitch=pitch)
    columns, weights_x = _spline_weights(x, width, pitch=pitch)
    if periodic:
        rows, columns = rows % grid.shape[0], columns % grid.shape[1]
    else:
        rows = np.clip(rows, 0, grid.shape[0] - 1)
        columns = np.clip(columns, 0, grid.shape[1] - 1)
    window = grid[rows[:, None], columns[None, :]]
    return np.asarray(weights_y @ (window @ weights_x.T), dtype=np.float32)


def _spline_weights(
    start: int, count: int, *, pitch: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Node numbers (n,) and Catmull-Rom weights (count, n) for `count` pixel centres."""
    position = (np.arange(start, start + count) + 0.5) / pitch
    base = np.floor(position).astype(np.intp)
    t = position - base
    first = int(base[0]) - 1
    nodes = np.arange(first, int(base[-1]) + 3)
    weights = np.zeros((count, nodes.size), dtype=np.float32)
    rows = np.arange(count)
    offset = base - first
    weights[rows, offset - 1] = t * (-0.5 + t * (1.0 - 0.5 * t))
    weights[rows, offset] = 1.0 + t * t * (-2.5 + 1.5 * t)
    weights[rows, offset + 1] = t * (0.5 + t * (2.0 - 1.5 * t))
    weights[rows, offset + 2] = t * t * (-0.5 + 0.5 * t)
    return nodes, weights


def sample_points(
    grid: FloatGrid, x: NDArray[np.float64], y: NDArray[np.float64], *, pitch: int
) -> FloatGrid:
    """Interpolate a grid of nodes linearly at scattered points.

    Args:
        grid: (rows, columns) float32; node (i, j) lies at level-0 (j * pitch, i * pitch).
        x: (n,) float64, level-0 px.
        y: (n,) float64, level-0 px.
        pitch: Distance between two nodes, px.

    Returns:
        (n,) float32.
    """
    from scipy import ndimage

    values = ndimage.map_coordinates(grid, [y / pitch, x / pitch], order=1, mode="nearest")
    return np.asarray(values, dtype=np.float32)


def tile_window(tile: FloatGrid, *, x: int, y: int, width: int, height: int) -> FloatGrid:
    """Read a rectangle of the plane that a periodic tile covers.

    Args:
        tile: (size, size) float32, one sample per pixel.
        x: Left edge, px; any integer.
        y: Top edge, px; any integer.
        width: Width, px.
        height: Height, px.

    Returns:
        (height, width) float32.
    """
    rows = np.arange(y, y + height) % tile.shape[0]
    columns = np.arange(x, x + width) % tile.shape[1]
    window: FloatGrid = tile[rows[:, None], columns[None, :]]
    return window


def tile_lookup(tile: FloatGrid, *, u: FloatGrid, v: FloatGrid) -> FloatGrid:
    """Read a periodic tile at arbitrary positions, linearly along v, to the nearest along u.

    Args:
        tile: (size, size) float32 whose side is a power of two; smooth along u.
        u: Column positions in samples, any shape.
        v: Row positions in samples, the same shape.

    Returns:
        float32 of the same shape.
    """
    side = tile.shape[0]
    columns = np.floor(u).astype(np.int32)
    columns &= side - 1
    base = np.floor(v)
    share = v - base
    rows = base.astype(np.int32)
    rows &= side - 1
    upper = np.take(tile, rows * side + columns)
    rows += 1
    rows &= side - 1
    lower = np.take(tile, rows * side + columns)
    lower -= upper
    lower *= share
    lower += upper
    return np.asarray(lower, dtype=np.float32)
