"""Quarter turns and mirror images: no pixel is computed anew."""

from __future__ import annotations

import torch


def dihedral(square: torch.Tensor, element: int) -> torch.Tensor:
    """One of the eight symmetries of a square, of the last two axes.

    Args:
        square: ``(…, S, S)``.
        element: 0 to 7; the first four are turns, the others turns of the mirror image.
    """
    mirrored = square.flip(-1) if element >= 4 else square
    return torch.rot90(mirrored, element % 4, (-2, -1))


def turned(plane: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Each square of a batch by its own symmetry; all of one symmetry at once, not one by one.

    Args:
        plane: ``(N, …, S, S)``.
        which: ``(N,)`` int64, 0 to 7.
    """
    done = torch.empty_like(plane)
    for element in which.unique().tolist():
        chosen = torch.nonzero(which == element).squeeze(1).to(plane.device)
        done[chosen] = dihedral(plane[chosen], element)
    return done
