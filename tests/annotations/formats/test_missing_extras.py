"""Formats whose packages are not installed say which extra brings them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pathoai.errors import MissingDependencyError
from pathoai_annotations.formats.annotation_format import (
    ReadingContext,
    WritingContext,
    format_named,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from tests.annotations.formats.conformance import (
    FRAME,
    GOLDEN,
    SLIDE,
    FormatConformance,
    annotation,
)

ONTOLOGY = FormatConformance.ontology


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("dicom-ann", "highdicom", "dicom"),
        ("dicom-seg", "highdicom", "dicom"),
        ("patch-h5", "h5py", "h5"),
    ],
)
def test_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path, report = tmp_path / "a.bin", ExchangeReport(name)
    path.write_bytes(b"something")
    square = [annotation("a", "dcis", GOLDEN.envelope)]
    writing = WritingContext(SLIDE, ONTOLOGY, FRAME)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*pathoai\[{extra}\]"):
        format_named(name).write(path, square, writing, report)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*pathoai\[{extra}\]"):
        list(format_named(name).read(path, ReadingContext(SLIDE, ONTOLOGY, "R9"), report))
    assert path.read_bytes() == b"something"
