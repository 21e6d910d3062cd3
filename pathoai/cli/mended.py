"""What a command says of finished work that it found damaged and made again."""

from __future__ import annotations

from collections.abc import Mapping


def mended(damaged: Mapping[str, str]) -> str:
    """What was found damaged and is made again, as the end of a line; empty where nothing was.

    Args:
        damaged: File → what is wrong.
    """
    if not damaged:
        return ""
    name, fault = next(iter(damaged.items()))
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return f"; damaged since, made again: {name} ({fault}){more}"
