"""The picture of the landing page: how many annotations each class has, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_LABEL_WIDTH, _BAR_WIDTH, _ROW = 300, 340, 26


def class_chart(rows: Sequence[tuple[str, str, str]]) -> str:
    """A bar for each class, in its colour; where a number is masked, a short hatched one.

    Args:
        rows: Name, colour (``#rrggbb``) and count as text, which may be masked, e.g. ``<11``.

    Returns:
        An ``svg`` element that screen readers read as a list of counts; empty without rows.
    """
    if not rows:
        return ""
    largest = max((int(count) for _, _, count in rows if count.isdigit()), default=1)
    bars = "\n".join(_bar(i, *row, largest=max(largest, 1)) for i, row in enumerate(rows))
    width, height = _LABEL_WIDTH + _BAR_WIDTH + 80, _ROW * len(rows)
    summary = "; ".join(f"{name}: {count}" for name, _, count in rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="14">\n'
        f"<title>Annotations by class</title>\n<desc>{escape(summary)}</desc>\n"
        '<defs><pattern id="masked" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<path d="M0 6L6 0" stroke="#767676"/></pattern></defs>\n'
        f"{bars}\n</svg>"
    )


def _bar(position: int, name: str, colour: str, count: str, *, largest: int) -> str:
    y = position * _ROW
    known = count.isdigit()
    width = max(2, round(_BAR_WIDTH * int(count) / largest)) if known else _BAR_WIDTH // 20
    fill = colour if known else "url(#masked)"
    return (
        f'<text x="{_LABEL_WIDTH - 8}" y="{y + 18}" text-anchor="end">{escape(name)}</text>'
        # Classes may be white: the outline keeps their bars visible.
        f'<rect x="{_LABEL_WIDTH}" y="{y + 4}" width="{width}" height="{_ROW - 8}" '
        f'fill="{fill}" stroke="#595959"/>'
        f'<text x="{_LABEL_WIDTH + width + 6}" y="{y + 18}">{escape(count)}</text>'
    )
