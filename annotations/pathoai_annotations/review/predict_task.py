"""What a window asks of the process that predicts for it, and how it is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pathoai.geometry import Region

CLASS_MAP, OBJECTS = "region.npz", "objects.parquet"
"""What lies in the folder of a finished part."""
PROGRESS, FINISHED, ERROR = "progress", "finished", "error"
"""Keys of the lines that the process writes, one JSON object each."""


@dataclass(frozen=True, slots=True)
class PredictTask:
    """One slide, or a part of it, and a model.

    Args:
        study: Folder of the study.
        slide_id: Code of the slide.
        bundle: Folder of the model.
        region: What is predicted in memory, level-0 pixels; None predicts the slide into its store.
        out: Folder into which the part goes; none where the slide is predicted.
        device: Where it computes, by name.
    """

    study: Path
    slide_id: str
    bundle: Path
    region: Region | None = None
    out: Path | None = None
    device: str = "auto"

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> PredictTask:
        """From such a line."""
        raw: dict[str, Any] = json.loads(text)
        region, out = raw.pop("region"), raw.pop("out")
        return cls(
            Path(raw["study"]),
            raw["slide_id"],
            Path(raw["bundle"]),
            None if region is None else Region(**region),
            None if out is None else Path(out),
            raw["device"],
        )
