"""The look at the cohort before the first step: no patient, block or scan in two subsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pathoai.errors import LeakError
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study

_SHOWN = 5


def check_slides_apart(
    rows: Iterable[CohortRow],
    subset_of_slide: Mapping[str, str],
    contents: Mapping[str, str] | None = None,
    *,
    remedy: str = "make another split with `pathoai split STUDY --by patient,block --name NAME`",
) -> None:
    """Refuse subsets that share a patient, a block, a file or the pixels of a slide.

    Looks at the cohort as it is now, not at how the split was made: a patient may have become
    known since.

    Args:
        rows: The cohort; slides that are in no subset do not count.
        subset_of_slide: Slide id → ``train``, ``validation``, ``test``, or another word for slides
            that serve nothing.
        contents: Slide id → hash of its pixels, where known.
        remedy: What the user can do.

    Raises:
        LeakError: Something is shared; says how many of each, and the first codes.
    """
    used = [r for r in rows if subset_of_slide.get(r.slide_id) in ("train", "validation", "test")]
    pixels = contents or {}
    kinds: dict[str, Callable[[CohortRow], str]] = {
        "patients": lambda row: row.patient_id,
        "blocks": lambda row: row.block_id,
        "duplicate files": lambda row: row.source_sha256,
        "duplicate scans": lambda row: pixels.get(row.slide_id, ""),
    }
    found = []
    for noun, key_of in kinds.items():
        holders: dict[str, dict[str, str]] = {}
        for row in used:
            if key := key_of(row):
                # One slide of each subset is enough to tell, and to show.
                holders.setdefault(key, {}).setdefault(subset_of_slide[row.slide_id], row.slide_id)
        shared = {key: slides for key, slides in sorted(holders.items()) if len(slides) > 1}
        if shared:
            found.append(_described(noun, shared))
    if found:
        raise LeakError(
            "subsets share slides that belong together", found="; ".join(found), remedy=remedy
        )


def _described(noun: str, shared: Mapping[str, Mapping[str, str]]) -> str:
    """How many, and the first of them by code; a file's hash is told by its slides' codes."""
    coded = noun in ("patients", "blocks")
    shown = [
        f"{key} in {' and '.join(sorted(slides))}"
        if coded
        else " = ".join(f"slide {slide} ({subset})" for subset, slide in sorted(slides.items()))
        for key, slides in list(shared.items())[:_SHOWN]
    ]
    more = ", …" if len(shared) > _SHOWN else ""
    return f"{len(shared)} {noun}: {', '.join(shown)}{more}"


def pixel_hashes(study: Study, rows: Iterable[CohortRow]) -> dict[str, str]:
    """Slide id → hash of its stored pixels, of slides with a finished store.

    Stores made with the same settings of one scan are alike, whatever file the scan came in.
    """
    from pathoai.store.slide_store import SlideStore, is_complete

    paths = {row.slide_id: study.store_path(row.slide_id) for row in rows}
    return {i: SlideStore(path).pixels_sha256 for i, path in paths.items() if is_complete(path)}
