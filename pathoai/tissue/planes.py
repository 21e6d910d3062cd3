"""Planes with a value for each pixel of a whole slide."""

from __future__ import annotations

import math
import mmap
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


def empty_plane(shape: tuple[int, ...], dtype: type[Value]) -> NDArray[Value]:
    """Zeros, mapped by the system: they take memory only where something is written.

    Private to the process, so that reading takes none. It goes back when the plane is dropped:
    what NumPy allocates stays with the process once arrays of such a size were freed (glibc
    raises its threshold), and adds up.

    Args:
        shape: Height and width; not 0.
        dtype: Of the values.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, buffer=mmap.mmap(-1, size, access=mmap.ACCESS_COPY))
