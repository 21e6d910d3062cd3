"""A slide's store for a reading room: only what one reader may see, without a second copy on disk.

What goes in is named one by one; whatever else lies in the store stays out. Files are linked (one
file under two names) where the disk allows it, and copied elsewhere. pathoai never writes into a
file of a store but puts a new one in its place, so nothing done in the room reaches the study.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StoreError
from pathoai.store.label_image import group_name
from pathoai.store.slide_store import TISSUE, SlideStore

_DESCRIPTION = "zarr.json"
_QUALITY = "quality/"


def link_store(source: SlideStore, target: Path, *, models: Collection[str]) -> None:
    """Put a store's pixels, tissue, artefacts and the predictions named into a new store.

    Args:
        source: The study's.
        target: Where the room's goes.
        models: Names of the models whose predictions the reader may see.

    Raises:
        StoreError: The store has no prediction of a model.
    """
    labels = _shown_labels(source, models)
    for path in _shown_files(source, labels):
        place = _describe if path.name == _DESCRIPTION else link
        place(source.path / path, target / path)
    if labels:
        _list_labels(source.path / "labels", target / "labels", labels)


def link(source: Path, target: Path) -> None:
    """One file under a second name; a copy where the disk cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Another disk, or one that knows no links; if it is full, the copy says so.
        shutil.copyfile(source, target)


def _shown_labels(source: SlideStore, models: Collection[str]) -> list[str]:
    predictions = [f"prediction/{model}" for model in models]
    missing = [name for name in predictions if name not in source.labels]
    if missing:
        raise StoreError(
            "the slide has no prediction of this model",
            where=source.slide_id,
            found=missing[0].removeprefix("prediction/"),
            remedy="run `pathoai predict STUDY --model NAME` first",
        )
    shown = [n for n in source.labels if n == TISSUE or n.startswith(_QUALITY)]
    return [*shown, *predictions]


def _shown_files(source: SlideStore, labels: Collection[str]) -> Iterator[Path]:
    """What is copied, relative to the store: pixels, profile, and the labels."""
    yield Path(_DESCRIPTION)
    folders = [str(level) for level in range(len(source.factors))]
    folders += ["icc_profile", *(f"labels/{group_name(name)}" for name in labels)]
    for folder in folders:
        for path in sorted((source.path / folder).rglob("*")):
            if path.is_file() and not path.name.endswith(".partial"):
                yield path.relative_to(source.path)


def _describe(source: Path, target: Path) -> None:
    """The description of a group or array, without what other programs copied into it of others."""
    if "consolidated_metadata" not in (about := json.loads(source.read_text("utf8"))):
        link(source, target)
        return
    del about["consolidated_metadata"]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(target, json.dumps(about, indent=2))


def _list_labels(source: Path, target: Path, labels: Collection[str]) -> None:
    """The list of labels, which names only those that are there."""
    about = json.loads((source / _DESCRIPTION).read_text("utf8"))
    about["attributes"]["ome"]["labels"] = [group_name(name) for name in labels]
    about.pop("consolidated_metadata", None)
    write_text_atomically(target / _DESCRIPTION, json.dumps(about, indent=2))
