"""Drawings of a report, as SVG files that need nothing else.

Colours keep apart for the commonest colour-vision deficiencies (Okabe M, Ito K. 2008), and lines
differ in dash as well.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike, NDArray

from pathoai.metrics.patient_bootstrap import Interval

BLUE, ORANGE, GREEN, PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PINK, ":"), ("#e69f00", (0, (5, 1))))
_STYLE: Any = {  # matplotlib types its keys one by one
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "svg.fonttype": "path",  # the same letters on every computer
    "svg.hashsalt": "pathoai",  # the same file for the same numbers
}


class Drawing:
    """Axes to draw on, and the file that comes of it."""

    def __init__(self, axes: Axes) -> None:
        """Draw on these axes."""
        self.axes = axes
        self.image = b""

    def line(self, index: int, x: ArrayLike, interval: Interval, label: str) -> None:
        """A curve with its band of uncertainty."""
        colour, dash = _LINES[index % len(_LINES)]
        self.axes.plot(x, interval.estimate, color=colour, linestyle=dash, label=label)
        self.axes.fill_between(
            np.asarray(x), interval.low, interval.high, color=colour, alpha=0.18, linewidth=0
        )


@contextmanager
def drawing(
    x_label: str, y_label: str, *, size: tuple[float, float] = (5.2, 3.9)
) -> Iterator[Drawing]:
    """Axes with labels; ``image`` holds the SVG afterwards.

    Args:
        x_label: Of the x axis.
        y_label: Of the y axis.
        size: Width and height in inches.
    """
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=size, layout="constrained")
        axes = canvas.add_subplot()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        found = Drawing(axes)
        yield found
        if axes.get_legend_handles_labels()[0]:
            # Stated though it is the default: left out, a slow machine gets a warning.
            axes.legend(frameon=False, loc="best")
        file = io.BytesIO()
        canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        found.image = file.getvalue()


def confusion_chart(
    confusion: NDArray[np.integer[Any]],
    classes: Sequence[str],
    *,
    sides: tuple[str, str] = ("true", "decided"),
) -> bytes:
    """Counts in squares, shaded by the share of each row.

    Args:
        confusion: ``(K, K)`` counts.
        classes: Names of rows and columns.
        sides: What the rows are, and the columns.
    """
    counts = np.asarray(confusion, np.float64)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    side = 1.9 + 0.75 * len(classes)
    with drawing(sides[1], sides[0], size=(side + 0.8, side)) as drawn:
        axes = drawn.axes
        axes.grid(visible=False)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        for row, column in np.ndindex(*counts.shape):
            text = f"{short(float(counts[row, column]))}\n{share[row, column]:.0%}"
            dark = share[row, column] > 0.55
            axes.text(
                column, row, text, ha="center", va="center", color="white" if dark else "black"
            )
    return drawn.image


def short(count: float) -> str:
    """A count in few characters: ``1.2 M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= limit:
            return f"{count / (1000 if unit == 'k' else limit):.3g} {unit}"
    return f"{count:.0f}"


def reliability_chart(counts: NDArray[np.floating[Any]], accuracy: Interval) -> bytes:
    """Accuracy against confidence, with limits, over how many there are of each.

    Args:
        counts: ``(B, 3)`` of all slides.
        accuracy: Of each bin.
    """
    filled = counts[:, 0] > 0
    confidence = counts[filled, 1] / counts[filled, 0]
    with drawing("probability of the decision", "share that was right") as drawn:
        axes = drawn.axes
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
        spans = [
            np.nan_to_num(np.abs(limit[filled] - accuracy.estimate[filled]))
            for limit in (accuracy.low, accuracy.high)
        ]
        axes.errorbar(
            confidence,
            accuracy.estimate[filled],
            yerr=spans,
            color=BLUE,
            marker="o",
            capsize=3,
            label="model, 95 % interval",
        )
        height = counts[:, 0] / max(counts[:, 0].max(), 1) * 0.2
        edges = np.linspace(0, 1, len(counts) + 1)
        axes.bar(edges[:-1], height, width=np.diff(edges), align="edge", color="#cccccc", zorder=0)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return drawn.image


def forest_chart(names: Sequence[str], interval: Interval, x_label: str) -> bytes:
    """A value with its limits per row, e.g. per centre."""
    rows = np.arange(len(names))[::-1]
    with drawing(x_label, "", size=(6.2, 1.2 + 0.34 * len(names))) as drawn:
        axes = drawn.axes
        spans = [
            np.nan_to_num(np.abs(limit - interval.estimate))
            for limit in (interval.low, interval.high)
        ]
        axes.errorbar(
            interval.estimate, rows, xerr=spans, fmt="o", color=BLUE, capsize=3, linestyle="none"
        )
        axes.set_yticks(rows, names)
        axes.margins(y=0.5 / max(len(names), 1))
    return drawn.image
