"""What ``pathoai register`` does for one pair of slides, here or on a worker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cluster.work_item import Done
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.registration.register_pair import RegistrationSettings
    from pathoai.registration.saved_registration import Registration
    from pathoai.store.slide_store import SlideStore

_PATIENCE_S = 600
"""An H&E slide with several twins has one store: their last steps take turns."""

Marks = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RegisterWork:
    """What a process needs to register one pair; the paths must be valid where it runs.

    Args:
        fixed_path: Store of the H&E slide.
        moving_path: Store of its twin.
        target: Where the transform goes (``.npz``); the sheet goes beside it.
        provenance_path: The folder of provenance records.
        device: Where it is computed, by name.
        landmarks: Points on both slides, level-0 pixels of each; None where none were given.
        neighbouring: Whether they are two sections, beside each other in the block; None for what
            an earlier run was told.
    """

    fixed_path: Path
    moving_path: Path
    target: Path
    provenance_path: Path
    device: str
    landmarks: tuple[Marks, Marks] | None = None
    neighbouring: bool | None = None


def register_one(work: RegisterWork, threads: int | None, advance: Advance) -> Done:
    """Register one pair: transform, QC label of the H&E slide, sheet and record.

    What an earlier run finished is kept as long as it is whole and of these pixels and settings.

    Raises:
        AlignmentError: There is no believable alignment; none is left behind.
        StoreError: A slide is not tiled, or another run writes the H&E slide's store.
    """
    import torch

    from pathoai.atomic_file import write_bytes_atomically
    from pathoai.provenance import sha256_of_file, utc_now
    from pathoai.registration.registration_sheet import (
        draw_registration_sheet,
        is_sheet_of,
        registration_words,
    )
    from pathoai.store.slide_store import SlideStore

    if threads is not None:
        torch.set_num_threads(threads)
    started = utc_now()
    fixed, moving = SlideStore(work.fixed_path), SlideStore(work.moving_path)
    registration, kept, why = _registered(work, fixed, moving, advance)
    digest, sheet = sha256_of_file(work.target), work.target.with_suffix(".png")
    kept = not _write_label(work, fixed, registration) and kept
    if not is_sheet_of(sheet, digest):
        kept = False
        picture = draw_registration_sheet(fixed, moving, registration, source_sha256=digest)
        write_bytes_atomically(sheet, picture)
    if not kept:
        _record(work, (fixed, moving), registration, digest, started)
    return Done(registration_words(registration) + why, kept)


def _registered(
    work: RegisterWork, fixed: SlideStore, moving: SlideStore, advance: Advance
) -> tuple[Registration, bool, str]:
    """The registration, saved; whether it was there already; what is to be said of an older one."""
    from pathoai.errors import AlignmentError
    from pathoai.preprocess.device import choose_device
    from pathoai.registration.register_pair import register_pair

    settings = _settings(work)
    found, why = _earlier(work.target, fixed, moving, settings)
    registration = found
    if registration is None:
        try:
            registration = register_pair(
                fixed,
                moving,
                settings=settings,
                device=choose_device(work.device),
                advance=advance,
            )
        except AlignmentError:
            # What an earlier run found is of other pixels: nobody may go on using it.
            for file in (work.target, work.target.with_suffix(".png")):
                file.unlink(missing_ok=True)
            raise
    registration = _judged(registration, work.landmarks)
    if registration is not found:
        registration.save(work.target)
    return registration, registration is found, why


def _settings(work: RegisterWork) -> RegistrationSettings:
    """Those of the command, or of neighbouring sections where it or an earlier run said so."""
    from pathoai.errors import StoreError
    from pathoai.registration.register_pair import RegistrationSettings
    from pathoai.registration.saved_registration import Registration

    neighbouring = work.neighbouring
    if neighbouring is None and work.target.is_file():
        try:
            neighbouring = Registration.load(work.target).is_of_neighbours
        except StoreError:
            neighbouring = False  # damaged: what it says is not known, and it is made anew
    return RegistrationSettings.of_neighbours() if neighbouring else RegistrationSettings()


def _earlier(
    target: Path, fixed: SlideStore, moving: SlideStore, settings: RegistrationSettings
) -> tuple[Registration | None, str]:
    """What an earlier run left, if it holds; and why not, for the end of a line."""
    from pathoai.errors import AlignmentError, StoreError
    from pathoai.registration.passage import check_is_of
    from pathoai.registration.saved_registration import Registration

    if not target.is_file():
        return None, ""
    try:
        found = Registration.load(target)
        check_is_of(found, fixed, moving)
    except AlignmentError:
        return None, "; done again: a store was made anew since"
    except StoreError as error:
        return None, f"; damaged since, done again: {target.name} ({error.found})"
    # The first registrations did not say of which sections they are: of one.
    before = {"neighbouring": False} | (found.about.get("settings") or {})
    if before != json.loads(json.dumps(asdict(settings))):
        return None, "; done again: by other settings than before"
    return found, ""


def _judged(registration: Registration, landmarks: tuple[Marks, Marks] | None) -> Registration:
    """The same, with what landmarks say of it, where some were given."""
    import numpy as np

    from pathoai.registration.landmarks import landmark_error

    if landmarks is None:
        return registration
    fixed, moving = (np.asarray(points, np.float64) for points in landmarks)
    error = landmark_error(registration.transform, fixed, moving)
    return (
        registration if error == registration.landmarks else replace(registration, landmarks=error)
    )


def _write_label(work: RegisterWork, fixed: SlideStore, registration: Registration) -> bool:
    """Write the QC label of the H&E slide; False where it was there already, whole."""
    from filelock import FileLock

    from pathoai.registration.quality_label import label_name, write_quality
    from pathoai.store.reopen_damaged import reopen_damaged_label

    name = label_name(registration.transform.moving.slide_id)
    with FileLock(work.target.with_name(f".{fixed.slide_id}.lock"), timeout=_PATIENCE_S):
        before = fixed.label(name).about if name in fixed.labels else {}
        damaged = reopen_damaged_label(fixed, name, before)
        about = write_quality(fixed, registration).about
    return bool(damaged) or about != before


def _record(
    work: RegisterWork,
    stores: tuple[SlideStore, SlideStore],
    registration: Registration,
    digest: str,
    started: str,
) -> None:
    from pathoai.provenance import ProvenanceRecord, utc_now

    ProvenanceRecord(
        "register",
        {"device": work.device, "landmarks": registration.landmarks is not None}
        | {"neighbouring": registration.is_of_neighbours}
        | {"settings": registration.about.get("settings")},
        {f"store/{store.slide_id}": store.identity for store in stores},
        {f"registration/{work.target.stem}": digest},
        started,
        utc_now(),
    ).write(work.provenance_path)
