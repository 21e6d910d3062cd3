"""What a batch that does not fit into the memory of a GPU is told as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pathoai.errors import InvalidValueError


@contextmanager
def fitting(batch: int) -> Iterator[None]:
    """Compute something of a batch.

    Args:
        batch: Tiles or regions in it.

    Raises:
        InvalidValueError: The memory of the GPU is too small for it, or others have taken it.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InvalidValueError(
            "a batch does not fit into the memory that is free on the GPU",
            where="--batch-size",
            found=batch,
            allowed="as many as fit",
            remedy="state fewer; or fewer --workers, where slides share the GPU",
        ) from error
