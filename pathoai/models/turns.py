"""The eight symmetries of a square: tissue has no up, so each view is as good as another."""

from __future__ import annotations

from collections.abc import Callable

import torch

TURNS = 8
"""Four turns by quarters, and the same of the mirror image (the group D4)."""


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


def mean_over_turns(
    network: Callable[[torch.Tensor], torch.Tensor], squares: torch.Tensor, turns: int
) -> torch.Tensor:
    """The mean of what a network says of turned copies, ``(N, …)`` float32.

    Args:
        network: Maps ``(N, …, S, S)`` to ``(N, …)``; asked once, about all copies.
        squares: ``(N, …, S, S)``.
        turns: How many of the eight symmetries, 1 to 8; the first is the square as it is.
    """
    copies = torch.cat([dihedral(squares, element) for element in range(turns)])
    found: torch.Tensor = network(copies).float().unflatten(0, (turns, -1))
    return found.mean(dim=0)
