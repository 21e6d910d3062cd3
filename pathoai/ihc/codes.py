"""Codes of LOINC for what is reported of a marker, where a published source gives one.

``result`` is the code of the report that a doctor makes of the marker, to which counts contribute;
``percent`` is that of the share of positive nuclei itself. A mitotic score is a result, too: what
is counted here is not the score.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportCodes:
    """Of one marker.

    Args:
        result: LOINC of what a doctor reports; empty where no code is known.
        percent: LOINC of positive nuclei in percent; likewise.
    """

    result: str = ""
    percent: str = ""


REPORT_CODES: dict[str, ReportCodes] = {
    "ER": ReportCodes("85337-4", "85329-1"),
    "PR": ReportCodes("85339-0"),
    "HER2": ReportCodes("85319-2"),
    "MKI67": ReportCodes(percent="85330-9"),
    "PHH3": ReportCodes("85300-2"),
}
"""By the keys of recipes; markers that are not here have no code that we know of."""
