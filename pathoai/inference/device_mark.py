"""A place in the work of a GPU, after which other work may go on beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class DeviceMark:
    """Made by the thread that starts computing: what it has started so far.

    A GPU takes up work in the order in which it comes. Who copies something back would wait for all
    that was started meanwhile, unless he stands in another queue.
    """

    def __init__(self, device: torch.device) -> None:
        """Here and now; where work is done when it is started, nothing is to be marked."""
        self._device = device
        on_gpu = device.type == "cuda"
        self._event = torch.cuda.current_stream(device).record_event() if on_gpu else None

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Work of the calling thread waits for the mark only, and is done in the end."""
        if self._event is None:
            yield
            return
        stream = torch.cuda.Stream(self._device)
        stream.wait_event(self._event)
        with torch.cuda.stream(stream):
            yield
        # What it read belongs to the first queue, which may use its memory again from here on.
        stream.synchronize()
