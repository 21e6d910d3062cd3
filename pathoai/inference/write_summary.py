"""Writing what is said of a slide as a whole beside the objects of its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.inference.report_file import write_report
from pathoai.inference.summary.summarise import PredictedSlide, region_table_path, summarise
from pathoai.provenance import sha256_of_file


@dataclass(frozen=True, slots=True)
class SummaryFiles:
    """What was written.

    Args:
        regions: The table of regions (CSV).
        report: The report (JSON).
    """

    regions: Path
    report: Path

    @classmethod
    def beside(cls, objects: Path) -> SummaryFiles:
        """Those that belong to a table of objects."""
        return cls(region_table_path(objects), objects.with_suffix(".json"))

    def hashes(self, slide_id: str) -> dict[str, str]:
        """SHA-256 of each, by what it is."""
        named = {"regions": self.regions, "report": self.report}
        return {f"{kind}/{slide_id}": sha256_of_file(path) for kind, path in named.items()}


def write_summary(slide: PredictedSlide, report: dict[str, Any]) -> SummaryFiles:
    """Count and measure, and write table and report; no study is needed.

    Args:
        slide: The prediction; its table of objects is written.
        report: What is said of the prediction itself; the summary is added to it.

    Raises:
        StoreError: The table of objects, the mask or the map is missing or damaged.
    """
    summary = summarise(slide)
    files = SummaryFiles.beside(slide.objects)
    summary.write_table(files.regions)
    write_report(files.report, report | summary.to_report())
    return files
