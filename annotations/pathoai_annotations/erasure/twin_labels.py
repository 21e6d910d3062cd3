"""Labels in other slides' stores that were made from a person's slide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.study.study import Study
from pathoai_annotations.erasure.remains import remove

_KINDS = ("registration", "transfer", "ihc")


def twin_labels(study: Study, slides: Sequence[str]) -> list[Path]:
    """Folders of labels that were carried over from one of the slides, or tell how it fits.

    Args:
        study: The study.
        slides: Codes of the slides.
    """
    cohort = study.cohort
    terms = {row.pair for row in cohort if row.slide_id in slides and row.pair}
    traces = [*slides, *store_identities(study, slides)]
    found = []
    for row in cohort:
        if row.slide_id in slides:
            continue
        labels = study.store_path(row.slide_id) / "labels"
        partners = {r.slide_id for r in cohort if r.pair == row.pair} - {row.slide_id, *slides}
        alone = row.pair in terms and not partners
        for kind in _KINDS:
            found += [p for p in sorted(labels.glob(f"{kind}.*")) if alone or _names(p, traces)]
    return found


def store_identities(study: Study, slides: Sequence[str]) -> list[str]:
    """How labels and models name the stores they were made from.

    Args:
        study: The study.
        slides: Codes of the slides; those without a whole store have none.
    """
    from pathoai.store.slide_store import SlideStore, is_complete

    stores = (study.store_path(slide) for slide in slides)
    return [SlideStore(path).identity for path in stores if is_complete(path)]


def _names(label: Path, traces: Sequence[str]) -> bool:
    about = label / "zarr.json"
    text = about.read_text("utf8") if about.is_file() else ""
    return any(trace in text or trace in label.name for trace in traces)


def remove_label(label: Path) -> list[Path]:
    """Remove a label and what was counted in it, and take it from the store's list.

    Returns:
        Tables and reports of the label, which go with it.
    """
    listed = label.parent / "zarr.json"
    if listed.is_file():
        content = json.loads(listed.read_text("utf8"))
        names = content["attributes"].get("ome", {}).get("labels", [])
        if label.name in names:
            names.remove(label.name)
            content.pop("consolidated_metadata", None)
            write_text_atomically(listed, json.dumps(content, indent=2))
    remove(label)
    store = label.parents[1]
    tables = store.parents[1] / "objects" / store.stem
    return sorted(tables.glob(f"{label.name}.*"))
