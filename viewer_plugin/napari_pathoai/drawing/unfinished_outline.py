"""The outline that a user is drawing in a napari Shapes layer, until it is ended or given up.

napari knows no giving up: Escape, another tool and Space all end an outline as Enter does, and its
`_finish_drawing`, begun anew by what hears of the end, looks for a shape that is no more. Nothing
public tells or stops that, so what it keeps of an outline is handled here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari.layers import Shapes


class UnfinishedOutline:
    """What is being drawn in a layer.

    Args:
        layer: In which; napari appends what is drawn to its rows.
    """

    def __init__(self, layer: Shapes) -> None:
        """Nothing is drawn yet."""
        self._layer = layer
        self._is_paused = False

    @property
    def is_there(self) -> bool:
        """True from the first press on, until the outline is ended or given up."""
        return bool(self._layer._is_creating)

    @property
    def is_paused(self) -> bool:
        """True while the mouse moves the view in the midst of an outline."""
        return self._is_paused

    def end(self) -> None:
        """Let napari hold it for drawn: the layer may be changed from now on."""
        self._layer._is_creating = False

    def give_up(self, kept_rows: int) -> None:
        """Take it out of the layer.

        Args:
            kept_rows: So many rows were there before it.
        """
        layer = self._layer
        self.end()
        layer._moving_value = (None, None)
        # A button that is still down draws no further.
        layer._mouse_drag_gen.clear()
        layer._persisted_mouse_event.clear()
        layer.remove(list(range(kept_rows, layer.nshapes)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While this holds, the layer's mode may change, and the outline goes on afterwards."""
        layer, row = self._layer, self._layer._moving_value
        self.end()
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False
        if layer.nshapes and row[0] == layer.nshapes - 1:
            layer._is_creating = True
            layer._moving_value = layer._value = row
            layer.selected_data = {row[0]}
