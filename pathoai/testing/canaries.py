"""Twelve invented identifiers to plant, and a search that finds them wherever they got to."""

from __future__ import annotations

from pathlib import Path

from pathoai.byte_search.search_file import look_through

CANARIES = (
    "MARTINEAU-Odile",
    "IPP8004213377",
    "1947-03-21",
    "jumelle-d-Anouk",
    "NIR2470375116001",
    "AnapathBloc-22H04417",
    "Dr-Quenneville",
    "odile.martineau@example.org",
    "SN-SCAN-990871",
    "BARCODE-77120043",
    "HopitalDesCanaris",
    "0612345678-tel",
)
"""Name, number of the patient, birth date (looked for in all spellings), free text, social security
number, block, physician, e-mail, serial number of a scanner, accession number, place (a folder, a
machine, a centre), telephone. No word of them occurs in any slide, so one found was planted."""


def canaries_in(folder: Path) -> list[str]:
    """The places below a folder where a canary stands: in names, bytes, or compressed members."""
    return [
        f"{looked.where}: {CANARIES[number]}"
        for looked in look_through(folder, CANARIES)
        for number in sorted(looked.found)
    ]
