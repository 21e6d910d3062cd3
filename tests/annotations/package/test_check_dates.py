"""What counts as a date finer than a year, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai_annotations.package.check_dates import check_dates
from pathoai_annotations.package.csv_file import write_table
from pathoai_annotations.package.layout import PAYLOAD
from pathoai_annotations.package.table import SLIDES


def _findings(root: Path, column: str, value: str) -> list[str]:
    payload = root / PAYLOAD
    (payload / SLIDES.path).parent.mkdir(parents=True)
    write_table(payload, SLIDES, [dict.fromkeys(SLIDES.header, "") | {column: value}])
    return [found.where for found in check_dates(root)]


@pytest.mark.parametrize(
    "value",
    ["2021-05-04", "S360 2021.05", "20210504", "batch_04.05.2021", "04-05-2021 S360", "05/2021"],
)
def test_days_and_months_are_found(tmp_path: Path, value: str) -> None:
    assert _findings(tmp_path, "scanner", value) == [
        f"{PAYLOAD}/{SLIDES.path} line 2 column scanner"
    ]


@pytest.mark.parametrize(
    "value", ["", "2021", "Aperio AT2", "NanoZoomer 2.0-HT", "Ki-67", "S360 2021", "SN 120210504"]
)
def test_years_and_models_are_not(tmp_path: Path, value: str) -> None:
    assert not _findings(tmp_path, "scanner", value)


def test_hashes_and_numbers_are_no_dates(tmp_path: Path) -> None:
    assert not _findings(tmp_path, "source_sha256", "20210504" * 8)
