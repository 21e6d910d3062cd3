"""An audit's sample as a file of the study: what was drawn, of which labels, at which weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, StudyError
from pathoai.geometry import Region
from pathoai.ihc.audit_sample import AuditSample, AuditSettings, AuditTile
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.privacy.pseudonym import is_code

FORMAT = 1
_REMEDY = "draw it again with `pathoai label STUDY --marker M --audit N`"


def save_audit(path: Path, sample: AuditSample) -> None:
    """Write a sample; an old file stays until the new one is whole.

    Args:
        path: The file; its folder is made.
        sample: What was drawn.
    """
    content = {
        "format": FORMAT,
        "marker": sample.marker,
        "settings": asdict(sample.settings),
        "labels": dict(sample.labels),
        "strata": {
            stratum.value: {
                "area_mm2": sample.areas_mm2[stratum],
                "tiles": (drawn := sample.drawn(stratum)),
                "mm2_per_tile": sample.mm2_per_tile(stratum) if drawn else None,
            }
            for stratum in AuditStratum
        },
        "tiles": [
            {"slide_id": tile.slide_id, "stratum": tile.stratum.value, **asdict(tile.region)}
            for tile in sample.tiles
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load_audit(path: Path) -> AuditSample:
    """Read a sample back.

    Raises:
        StudyError: There is none, it is damaged, or of a newer pathoai.
    """
    try:
        raw: Any = json.loads(path.read_text("utf8"))
        if raw["format"] != FORMAT:
            raise StudyError(
                "an audit of another pathoai",
                where=path.parent.name,
                found=f"format {raw['format']}",
                allowed=f"format {FORMAT}",
                remedy="update pathoai, or draw the audit again",
            )
        return AuditSample(
            str(raw["marker"]),
            AuditSettings(**raw["settings"]),
            {_code(slide_id): str(sha) for slide_id, sha in raw["labels"].items()},
            {s: float(raw["strata"][s.value]["area_mm2"]) for s in AuditStratum},
            tuple(_tile(tile) for tile in raw["tiles"]),
        )
    except FileNotFoundError:
        raise StudyError(
            "this marker's labels were not audited", where=path.parent.name, remedy=_REMEDY
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError, InvalidValueError) as error:
        raise StudyError(
            "damaged audit",
            where=f"{path.parent.name} {path.name}",
            found=f"{type(error).__name__}: {error}",
            remedy=_REMEDY,
        ) from error


def _tile(raw: dict[str, Any]) -> AuditTile:
    region = Region(*(float(raw[name]) for name in ("x", "y", "width", "height")))
    return AuditTile(_code(raw["slide_id"]), AuditStratum(raw["stratum"]), region)


def _code(slide_id: str) -> str:
    if not is_code(slide_id):
        raise ValueError("a slide that is named by no code")
    return slide_id
