"""Training tiles drawn by class and slide, so that the rare are seen and no slide drowns others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from pathoai.errors import InvalidValueError
from pathoai_training.sampling.alias_table import AliasTable, numbered_uniforms


class ClassSlideSampler(Sampler[int]):
    """Draws with replacement: first a class and one of its slides, then one of their tiles.

    Each draw is O(1) and follows from seed and its number alone, so that a resumed run sees the
    same. Memory is a few bytes a tile. Validation never uses it: it has the natural prevalence.

    Args:
        tile_class: ``(N,)`` uint8 class of each tile.
        slide: ``(N,)`` int32 position of each tile's slide.
        length: Tiles per epoch and process; one that goes on after a resume has the rest of them.
        seed: Of the draws.
        done: Tells, when an epoch starts or goes on, how many tiles this process has trained on.
        temperature: 1 draws as nature has it, infinity all classes, and all slides of a class,
            equally often; between them, with probabilities proportional to count ** (1 / T).
        process: As ``(rank, processes)``: together they take disjoint draws.

    Raises:
        InvalidValueError: A temperature below 1, or no tile.
    """

    def __init__(
        self,
        tile_class: NDArray[np.uint8],
        slide: NDArray[np.int32],
        *,
        length: int,
        seed: int,
        done: Callable[[], int],
        temperature: float = np.inf,
        process: tuple[int, int] = (0, 1),
    ) -> None:
        """Sort tiles into cells of one class and slide; draw nothing yet."""
        if not temperature >= 1:
            raise InvalidValueError(
                "temperature", found=temperature, allowed="1 (natural) to .inf (uniform)"
            )
        if not len(slide):
            raise InvalidValueError("there is no tile to draw", found=0, allowed="1 or more")
        self._length = length
        self._seed = seed
        self._done = done
        self._rank, self._processes = process
        slides = int(slide.max()) + 1
        cell = tile_class.astype(np.int32) * np.int32(slides) + slide
        counts = np.bincount(cell)
        filled = np.flatnonzero(counts)
        # Stable, so that the order of a cell's tiles is theirs; 4 bytes a tile while it can be.
        order = np.argsort(cell, kind="stable")
        self._order = order.astype(np.uint32 if len(order) < 2**32 else np.int64)
        self._sizes = counts[filled]
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._table = AliasTable.of(cell_weights(self._sizes, filled // slides, temperature))

    def __len__(self) -> int:
        """Tiles per epoch and process."""
        return self._length

    def draw(self, first: int, count: int) -> NDArray[np.int64]:
        """Positions of the tiles of consecutive draws, ``(count,)``.

        Args:
            first: Number of the first draw, over all processes.
            count: How many.
        """
        column, coin, within, _ = numbered_uniforms(self._seed, first, count).T
        cell = self._table.draw(column, coin)
        place = self._starts[cell] + (within * self._sizes[cell]).astype(np.int64)
        return np.asarray(self._order[place], np.int64)

    def __iter__(self) -> Iterator[int]:
        """Positions of the epoch's tiles."""
        start, processes = self._done(), self._processes
        left = self._length - start % self._length
        drawn = self.draw(start * processes, left * processes)
        yield from drawn[self._rank :: processes].tolist()


def cell_weights(
    sizes: NDArray[np.int64], classes: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """Probability of each cell: that of its class, times that of its slide within the class.

    Args:
        sizes: ``(K,)`` tiles of each cell.
        classes: ``(K,)`` class of each cell.
        temperature: As in :class:`ClassSlideSampler`.

    Returns:
        ``(K,)`` that sum to 1.
    """
    power = 1 / temperature
    _, of = np.unique(classes, return_inverse=True)
    class_weight = np.bincount(of, weights=sizes) ** power
    slide_weight = sizes**power
    within = slide_weight / np.bincount(of, weights=slide_weight)[of]
    return np.asarray(class_weight[of] / class_weight.sum() * within)
