"""Places of warped tiles in their sources, and the planes that lie on them; exact on any device."""

from __future__ import annotations

import torch
from torch.nn import functional

from pathoai.ontology import NOT_ASSESSED
from pathoai_training.augmentation.variation import Warp


def warped_places(
    warp: Warp, chosen: torch.Tensor, size_px: int, mpp: float, device: torch.device
) -> torch.Tensor:
    """Where the pixels of results lie in their sources.

    Args:
        warp: What was drawn.
        chosen: ``(M,)`` int64, of which items.
        size_px: Side of the squares.
        mpp: Their µm per pixel.
        device: Where the answer is wanted.

    Returns:
        ``(M, S, S, 2)`` float32 x and y in pixels, 0 the centre of the first.
    """
    middle = (size_px - 1) / 2
    steps_um = (torch.arange(size_px, device=device, dtype=torch.float32) - middle) * mpp
    y_um, x_um = torch.meshgrid(steps_um, steps_um, indexing="ij")
    matrix = warp.matrix[chosen].to(device)[..., None, None]
    shift_um = warp.shift_um[chosen].to(device)[..., None, None]
    # Not by matmul: TensorFloat-32 would round places to three digits.
    places = matrix[:, :, 0] * x_um + matrix[:, :, 1] * y_um + shift_um
    if warp.bends_um.numel():
        bends_um = warp.bends_um[chosen].to(device)
        places = places + _between_nodes(bends_um, x_um, y_um, warp.period_um)
    return places.div_(mpp).add_(middle).permute(0, 2, 3, 1)


def _between_nodes(
    nodes: torch.Tensor, x_um: torch.Tensor, y_um: torch.Tensor, period_um: float
) -> torch.Tensor:
    """Values ``(M, 2, S, S)`` between nodes ``(M, 2, K, K)`` about the centre, by cubics."""
    # grid_sample counts from -1 at the first node to 1 at the last.
    half_um = period_um * (nodes.shape[-1] - 1) / 2
    grid = torch.stack([x_um, y_um], -1).div_(half_um).expand(len(nodes), -1, -1, -1)
    return functional.grid_sample(nodes, grid, "bicubic", "border", align_corners=True)


def warped_plane(plane: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
    """A plane at other places.

    Args:
        plane: ``(M, …, S, S)``: integers take the value of the nearest pixel; floats are linear
            between pixels, and 0 wherever the nearest is.
        places_px: ``(M, S, S, 2)`` float32, as `warped_places` gives them.

    Returns:
        The same shape and type; outside the source 255 for uint8, else 0.
    """
    size = plane.shape[-1]
    columns, rows = (places.add(0.5).floor_() for places in places_px.unbind(-1))
    column, row = columns.clamp(0, size - 1), rows.clamp(0, size - 1)
    outside = (column != columns).logical_or_(row != rows)
    index = row.long().mul_(size).add_(column.long())
    layers = plane.reshape(len(plane), -1, size * size)
    fill = NOT_ASSESSED if plane.dtype == torch.uint8 else 0
    values = layers.gather(2, index.flatten(1)[:, None].expand(-1, layers.shape[1], -1))
    values = values.view(len(plane), -1, size, size).masked_fill_(outside[:, None], fill)
    if plane.dtype.is_floating_point:
        between = linear_between(layers.view(values.shape), places_px)
        values = torch.where(values == 0, 0, between)
    return values.view(plane.shape)


def linear_between(pixels: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
    """Values at places between pixels, mirrored beyond the edges.

    Args:
        pixels: ``(M, C, S, S)`` floating point.
        places_px: ``(M, S, S, 2)`` float32.

    Returns:
        ``(M, C, S, S)``.
    """
    # grid_sample counts from -1 at the first pixel's outer edge to 1 at the last's.
    grid = (2 * places_px + 1) / pixels.shape[-1] - 1
    return functional.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False)
