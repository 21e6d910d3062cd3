"""Masks, DICOM files and the loss report of a package."""

from __future__ import annotations

from pathlib import Path

from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.verify import verify_package


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_the_same_study_gives_the_same_bytes(
    derived_package: Path, tiled_study: Study, approval: Approval, tmp_path: Path
) -> None:
    assert verify_package(derived_package).findings == ()
    again = build_package(tiled_study, tmp_path / "again", approval=approval).path
    assert _bytes_of(again) == _bytes_of(derived_package)
