"""How many slides, patients, centres and scanners each subset holds: numbers, never codes."""

from __future__ import annotations

from pathoai.study.cohort import Cohort
from pathoai_training.splits.split import SUBSETS, Split


def cohort_counts(cohort: Cohort, split: Split) -> dict[str, dict[str, int]]:
    """Subset → numbers of its slides, and of patients, centres and scanners on record.

    Args:
        cohort: The coded slides.
        split: Of some of them; by area, a slide counts in each subset it has a part in.
    """
    counts = {}
    for subset in SUBSETS:
        pairs = zip(split.slide_ids, split.subsets, strict=True)
        rows = [cohort[slide_id] for slide_id in {s for s, of in pairs if of == subset}]
        counts[subset] = {
            "slides": len(rows),
            "patients": len({row.patient_id for row in rows} - {""}),
            "centres": len({row.centre_id for row in rows} - {""}),
            "scanners": len({row.scanner for row in rows} - {""}),
        }
    return counts
