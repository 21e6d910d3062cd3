"""How packaged slides lie on their restained twins: the record of each saved registration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.errors import PackageError
from pathoai.privacy.pseudonym import is_code
from pathoai.strict_json import read_json
from pathoai.study.pairs import SlidePair, sound_pairs
from pathoai.study.study import Study
from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.payload_file import write_payload_json
from pathoai_annotations.package.csv_file import read_table
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.table import SLIDES

if TYPE_CHECKING:  # arrays are heavy, and most studies have no pair
    from pathoai.registration.saved_registration import Registration
    from pathoai.registration.transform import PlacedSlide

_FRAME = (
    "micrometres of a slide are its level-0 pixels times its mpp, from the top left of its canvas"
)


def write_registrations(payload: Path, study: Study, slide_ids: Set[str]) -> None:
    """Write ``provenance/registration/<pair>.json`` of each pair whose H&E slide is packaged.

    Args:
        payload: The payload's folder.
        study: Holds the pairs and their registrations; a pair that is not registered has none.
        slide_ids: Packaged slides.

    Raises:
        StoreError: A saved registration is damaged.
    """
    for pair in _pairs(study, slide_ids):
        path = study.registration_path(pair.fixed.slide_id, pair.moving.slide_id)
        if path.is_file():
            from pathoai.registration.saved_registration import Registration

            write_payload_json(
                payload, layout.registration_name(pair.name), _record(pair, Registration.load(path))
            )


def _pairs(study: Study, slide_ids: Set[str]) -> list[SlidePair]:
    cohort = study.cohort
    if not any(row.pair for row in cohort):
        return []
    # A term whose slides make no pair is told by `pathoai register`, and has no registration.
    pairs, _ = sound_pairs(cohort)
    return [pair for pair in pairs if pair.fixed.slide_id in slide_ids]


def _record(pair: SlidePair, found: Registration) -> dict[str, Any]:
    transform, quality = found.transform, found.quality
    field = transform.displacement
    residual = quality.median_residual_um
    return {
        "pair": pair.name,
        "fixed": _slide(transform.fixed) | {"stain": pair.fixed.stain},
        "moving": _slide(transform.moving) | {"stain": pair.moving.stain, "marker": pair.marker},
        "transform": {
            "kind": "affine" if field is None else "smooth displacement, then affine",
            "from": "fixed",
            "to": "moving",
            "unit": "micrometre",
            "frame": _FRAME,
            "affine": transform.affine.tolist(),
            "displacement": None
            if field is None
            else {"spacing_um": field.spacing_um, "where": "in the study, not in this package"},
        },
        "quality": {
            "tile_um": quality.tile_um,
            "believed_share": quality.believable_share,
            "residual_median_um": residual if math.isfinite(residual) else None,
            "landmarks": None
            if found.landmarks is None
            else {
                "count": found.landmarks.count,
                "median_um": found.landmarks.median_um,
                "p90_um": found.landmarks.p90_um,
            },
        },
        "registration_sha256": found.sha256,
        "software": found.about.get("software", {}),
    }


def _slide(slide: PlacedSlide) -> dict[str, Any]:
    return {
        "slide_id": slide.slide_id,
        "mpp": [slide.mpp.x, slide.mpp.y],
        "size_px": [slide.size_px.width, slide.size_px.height],
    }


def check_registrations(root: Path) -> Iterator[Finding]:
    """Does each record name two slides by code, the first packaged, and state a map and its worth?

    Args:
        root: The bag's folder.
    """
    folder = root / layout.PAYLOAD / layout.REGISTRATION_FOLDER
    paths = sorted(folder.glob("*"))
    if not paths:
        return
    try:
        packaged = {row["slide_id"] for row in read_table(root, SLIDES)}
    except PackageError:
        return  # told by the check of the tables
    for path in paths:
        where = path.relative_to(root).as_posix()
        try:
            yield from _check(read_json(path), path.stem, packaged, where)
        except (OSError, ValueError, LookupError, TypeError, OverflowError):
            yield Finding("the record of a registration cannot be read", where)


def _check(record: dict[str, Any], name: str, packaged: Set[str], where: str) -> Iterator[Finding]:
    fixed, moving = (str(record[one]["slide_id"]) for one in ("fixed", "moving"))
    if not (is_code(fixed) and is_code(moving)):
        yield Finding("a registered slide is named by something that is no code", where)
    elif f"{fixed}--{moving}" != name or record["pair"] != name:
        yield Finding("named by another pair than it is of", where)
    elif fixed not in packaged:
        yield Finding("the registration of a slide that is not in the package", where)
    rows = record["transform"]["affine"]
    if [len(row) for row in rows] != [3, 3] or not all(math.isfinite(n) for r in rows for n in r):
        yield Finding("the transform is no affine map", where)
    if not 0 <= record["quality"]["believed_share"] <= 1:
        yield Finding("the share that is believed is none", where)
