"""Which packages were made of a study, and of whom they hold data: ``packages/`` in the study.

An erasure must be able to say which packages hold a person's data, and the next package what became
of the last one's slides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError
from pathoai.privacy.tombstones import tombstone_hash
from pathoai.study.study import Study

_TOMBSTONE = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """One package.

    Args:
        version: Of the data.
        tier: How far it may travel.
        manifest_sha256: Of the bag's manifest, and so of everything in it.
        day: That it bears, ISO 8601.
        slides: Slide → SHA-256 of its annotations. Of an erased slide the SHA-256 of the code
            stands in place of the code.
        patients: Codes of the patients, or likewise what stands in their place; sorted.
        why: What its maker said of the reason for it.
    """

    version: str
    tier: str
    manifest_sha256: str
    day: str
    slides: Mapping[str, str]
    patients: tuple[str, ...] = ()
    why: str = ""

    @property
    def order(self) -> tuple[tuple[int, ...], str]:
        """By which versions are older or newer."""
        numbers, _, rest = self.version.partition("-")
        parts = re.findall(r"\d+", numbers)[:3]
        # As in semantic versioning, 1.0.0-rc1 comes before 1.0.0.
        return tuple(map(int, parts)), rest or "~"


def read_packages(study: Study) -> tuple[PackageRecord, ...]:
    """All packages that were made, the oldest version first.

    Raises:
        StudyError: A record is malformed.
    """
    records = [_parsed(path) for path in sorted(_folder(study).glob("*.json"))]
    return tuple(sorted(records, key=lambda record: (record.order, record.tier)))


def record_package(study: Study, record: PackageRecord) -> None:
    """Enter a package; that of the same version and tier is replaced."""
    path = _folder(study) / f"{record.version}-{record.tier}.json"
    path.parent.mkdir(exist_ok=True)
    write_text_atomically(path, json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")


def forget_slide(study: Study, slide_id: str) -> int:
    """Replace a slide's code in all records by its hash.

    Returns:
        How many records named it.
    """
    return _forget(study, slide_id)


def forget_patient(study: Study, patient_id: str) -> int:
    """The same for a patient."""
    return _forget(study, patient_id)


def is_tombstone(slide_id: str) -> bool:
    """True for what stands in place of an erased code."""
    return _TOMBSTONE.fullmatch(slide_id) is not None


def _forget(study: Study, code: str) -> int:
    found = [r for r in read_packages(study) if code in r.slides or code in r.patients]
    stone = tombstone_hash(code)
    for record in found:
        slides = {stone if k == code else k: v for k, v in record.slides.items()}
        patients = tuple(sorted(stone if one == code else one for one in record.patients))
        record_package(study, replace(record, slides=slides, patients=patients))
    return len(found)


def _folder(study: Study) -> Path:
    return study.path / "packages"


def _parsed(path: Path) -> PackageRecord:
    try:
        raw = json.loads(path.read_text("utf8"))
        record = PackageRecord(**raw | {"patients": tuple(raw["patients"])})
        if not isinstance(record.slides, dict) or not record.order[0]:
            raise ValueError("no slides, or no version")
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            "malformed record of a package",
            where=f"packages/{path.name}",
            found=repr(error),
            remedy="restore the file from your backup",
        ) from error
    return record
