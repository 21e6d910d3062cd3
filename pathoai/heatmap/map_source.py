"""Where a map comes from, and that nothing it rests on has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pathoai.errors import StoreError
from pathoai.store.slide_store import SlideStore

_STORE = "store_sha256"


def check_source(
    store: SlideStore, name: str, source: Mapping[str, Any], about: Mapping[str, Any] | None = None
) -> None:
    """Refuse a map of an earlier version of the store, and objects of another map.

    Args:
        store: The slide.
        name: Of the map.
        source: What the map, or its table of objects, says of itself.
        about: What the label says of itself, where ``source`` is that of its objects.

    Raises:
        StoreError: A hash differs; the remedy is to make it again.
    """
    expected = {_STORE: store.identity}
    expected |= {k: v for k, v in (about or {}).items() if k.endswith("_sha256") and k != _STORE}
    for key, wanted in expected.items():
        if source.get(key, wanted) != wanted:
            raise StoreError(
                "the map, or its table of objects, was made before store or model changed",
                where=f"{store.slide_id} {name}",
                found=f"{key} {str(source[key])[:12]}",
                allowed=str(wanted)[:12],
                remedy="run the command that made it again",
            )
