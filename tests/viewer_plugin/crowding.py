"""Widgets that lie over one another, or are too small for what they say."""

from __future__ import annotations

from itertools import combinations

from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QComboBox,
    QLabel,
    QLineEdit,
    QRubberBand,
    QSplitterHandle,
    QTabBar,
    QWidget,
)

_SAYS = (QAbstractButton, QLabel, QComboBox, QLineEdit)


def crowded(root: QWidget) -> list[str]:
    """What is wrong with a window as it stands, one line each.

    Args:
        root: All that is visible in it is looked at; what a scroll area hides for now is not.
    """
    found = []
    for widget in (root, *root.findChildren(QWidget)):
        if widget.isVisible():
            found += _overlaps(widget)
            # A bar of tabs makes its own arrows, which say nothing.
            if isinstance(widget, _SAYS) and not isinstance(widget.parent(), QTabBar):
                found += _clipped(widget)
    return found


def _overlaps(parent: QWidget) -> list[str]:
    # A scroll area lays its own bars and corner; what it scrolls is one child.
    layout = parent.layout()
    if layout is None or isinstance(parent, QAbstractScrollArea):
        return []
    children = [
        child
        for child in parent.children()
        if isinstance(child, QWidget)
        and child.isVisible()
        and not child.isWindow()
        and not isinstance(child, QRubberBand | QSplitterHandle)
        and layout.indexOf(child) >= 0
    ]
    return [
        f"{_name(one)} lies over {_name(other)}"
        for one, other in combinations(children, 2)
        if not one.geometry().intersected(other.geometry()).isEmpty()
    ]


def _clipped(widget: QWidget) -> list[str]:
    needed = widget.minimumSizeHint()
    if isinstance(widget, QLabel) and widget.wordWrap():
        short = widget.height() < widget.heightForWidth(widget.width())
        return [f"{_name(widget)} is cut off"] if short and widget.text() else []
    if widget.width() + 1 < needed.width() or widget.height() + 1 < needed.height():
        return [f"{_name(widget)} is too small: {widget.size()} for {needed}"]
    return []


def _name(widget: QWidget) -> str:
    words = widget.text() if hasattr(widget, "text") else ""
    return f"{type(widget).__name__} {words!r}"
