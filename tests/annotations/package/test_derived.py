"""Masks, DICOM files and the loss report of a package."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zarr

from pathoai.errors import MissingDependencyError
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD
from pathoai_annotations.formats.dicom_sr import read_sr
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.fair_check import fair_check
from pathoai_annotations.package.open_package import open_package
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.selection import select, slide_history
from pathoai_annotations.package.slide_files import SlideFiles
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.derived_mutations import LOSSES, dicom, mask, richest
from tests.annotations.package.mutations import reseal


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def _losses(package: Path) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads(
        (package / LOSSES).read_text("utf8")
    )["slides"]
    return found


def test_the_same_study_gives_the_same_bytes(
    derived_package: Path, tiled_study: Study, approval: Approval, tmp_path: Path
) -> None:
    assert verify_package(derived_package).findings == ()
    again = build_package(tiled_study, tmp_path / "again", approval=approval).path
    assert _bytes_of(again) == _bytes_of(derived_package)


def test_a_mask_holds_classes_numbers_and_holes(derived_package: Path, tiled_study: Study) -> None:
    classes = zarr.open_array(mask(derived_package) / "0", mode="r")
    numbers = zarr.open_array(mask(derived_package) / "instance/0", mode="r")
    index = tiled_study.ontology["invasive_nst"].index
    assert (classes[75, 75], classes[115, 110], classes[5, 5]) == (index, 255, 255)
    assert numbers[115, 110] == 0
    assert len(np.unique(np.asarray(numbers))) == 5  # of six one is a point, one lies below


def test_the_loss_report_says_what_is_gone_and_why(derived_package: Path) -> None:
    losses = _losses(derived_package)
    code = richest(derived_package)
    assert losses[code]["mask"]["lost"] == {"outlines of areas": 1, "points": 1}
    assert losses[code]["ann"]["lost"] == {}
    assert losses[code]["sr"]["lost"] == {
        "author": 6,
        "holes": 1,
        "origin": 6,
        "probability": 1,
        "status": 6,
        "what it was made from": 1,
    }
    (untiled,) = [forms for forms in losses.values() if not forms["mask"]["written"]]
    assert {str(one["why"]) for one in untiled.values()} == {
        "the slide was not tiled: its size and scale are not known"
    }


def test_where_it_leaves_the_institution_no_count_is_told(
    tiled_study: Study, tmp_path: Path
) -> None:
    release = Release(Tier.OPEN, "DM1", date(2026, 1, 31), with_images=False)
    package = build_package(tiled_study, tmp_path / "open", approval=release).path
    assert {one.count for one in read_sr(dicom(package, "sr")).classes} == {None}
    lost = [one.get("lost", {}) for forms in _losses(package).values() for one in forms.values()]
    assert {count for one in lost for count in dict(one).values()} == {"not shown"}  # type: ignore[call-overload]  # JSON


def test_inside_the_institution_counts_are_told(derived_package: Path) -> None:
    counts = [one.count for one in read_sr(dicom(derived_package, "sr")).classes]
    assert sorted(counts, key=str) == [1, 1, 4]


def test_a_hole_that_is_filled_in_the_mask_is_found(derived_package: Path) -> None:
    for name in ("0", "instance/0", "1", "instance/1", "2", "instance/2", "3", "instance/3"):
        array = zarr.open_array(mask(derived_package) / name, mode="r+")
        level = int(name[-1])
        top, bottom, left, right = (side >> level for side in (100, 132, 100, 128))
        array[top:bottom, left:right] = array[max(top - 1, 0), left]
    reseal(derived_package)
    found = {f.where.partition(".ome.zarr/")[2] for f in verify_package(derived_package).findings}
    assert {"0", "instance/0"} <= found


def test_without_highdicom_an_internal_package_has_masks_alone(
    tiled_study: Study, approval: Approval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    package = build_package(tiled_study, tmp_path / "package", approval=approval).path
    assert verify_package(package).findings == ()
    assert not (package / "data/annotations/dicom").exists()
    assert mask(package).is_dir()
    why = "highdicom was not installed where the package was made"
    assert _losses(package)[richest(package)]["seg"] == {"written": False, "why": why}
    release = Release(Tier.OPEN, "DM1", date(2026, 1, 31), with_images=False)
    with pytest.raises(MissingDependencyError, match="highdicom"):
        build_package(tiled_study, tmp_path / "open", approval=release)


def test_without_highdicom_verification_says_what_it_did_not_read(
    derived_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    report = verify_package(derived_package)
    assert report.findings == ()
    assert ["not compared" in note for note in report.notes] == [True]


def test_a_store_that_a_killed_run_finished_is_kept_and_a_damaged_one_is_not(
    derived_package: Path, tmp_path: Path
) -> None:
    store = f"masks/{mask(derived_package).name}"
    code, made, staged = richest(derived_package), [], tmp_path / "staged"
    staged.mkdir()

    def write() -> tuple[list[str], dict[str, dict[str, object]]]:
        made.append(1)
        shutil.copytree(mask(derived_package), staged / "data" / store)
        return [store], {"mask": {"written": True}}

    first = SlideFiles(staged, [code]).write(code, "inputs", write)
    assert SlideFiles(staged, [code]).write(code, "inputs", write) == first
    (staged / "data" / store / "zarr.json").write_text("{}")
    again = SlideFiles(staged, [code]).write(code, "inputs", write)
    assert (again, len(made)) == (first, 2)
    assert first.losses == {"mask": {"written": True}}


def test_a_study_comes_back_from_it(derived_package: Path, tmp_path: Path) -> None:
    study = open_package(derived_package, tmp_path / "opened")
    with Journal.open(study) as journal:
        assert len(journal.annotations(status=OF_RECORD)) == 9


def test_it_is_as_fair_as_one_without(derived_package: Path) -> None:
    assert not [row for row in fair_check(derived_package) if "FAIL" in str(row)]


def test_files_bear_the_time_of_the_last_edit(derived_package: Path, tiled_study: Study) -> None:
    import pydicom

    with Journal.open(tiled_study) as journal:
        chosen = select(journal, tiled_study.cohort)
        last = slide_history(journal, richest(derived_package), chosen).events[-1].at
    for form in ("ann", "seg", "sr"):
        file = pydicom.dcmread(dicom(derived_package, form))
        assert file.ContentDate == last[:10].replace("-", "")
        assert file.ContentTime == last[11:19].replace(":", "")
