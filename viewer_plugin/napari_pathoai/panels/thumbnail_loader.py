"""Thumbnails made by a thread of their own, the last asked for first: what is in sight now."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined] # qtpy names it so
from qtpy.QtGui import QImage

from pathoai.errors import PathoaiError
from pathoai_annotations.annotation import Annotation

_MOST_WAITING = 200
"""Older wishes are dropped: the user has scrolled on, and asks again should he come back."""

Make = Callable[[Annotation], NDArray[np.uint8]]


class ThumbnailLoader(QObject):
    """Makes pictures; each arrives as a signal in the thread of the window.

    Args:
        make: Gives ``(H, W, 3)`` uint8; called by the thread.
    """

    made = Signal(object, QImage)
    """Id of an annotation, and its picture."""
    failed = Signal(str)
    """Why a picture could not be made, in one line."""

    def __init__(self, make: Make) -> None:
        """Start the thread; it waits for wishes."""
        super().__init__()
        self._make = make
        self._waiting: OrderedDict[uuid.UUID, Annotation] = OrderedDict()
        self._changed = Condition()
        self._is_over = False
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def want(self, annotation: Annotation) -> None:
        """Ask for a picture; asking twice is asking once."""
        with self._changed:
            self._waiting[annotation.id] = annotation
            self._waiting.move_to_end(annotation.id)
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)
            self._changed.notify()

    def forget(self) -> None:
        """Drop all wishes: another page is in sight."""
        with self._changed:
            self._waiting.clear()

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._waiting.clear()
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> Annotation | None:
        with self._changed:
            while not self._waiting and not self._is_over:
                self._changed.wait()
            return None if self._is_over else self._waiting.popitem()[1]

    def _work(self) -> None:
        while (annotation := self._next()) is not None:
            try:
                picture = np.ascontiguousarray(self._make(annotation))
            except PathoaiError as error:
                self.failed.emit(str(error))
                continue
            height, width, _ = picture.shape
            image = QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            # A copy of its own: the array is gone when the window draws it.
            self.made.emit(annotation.id, image.copy())
