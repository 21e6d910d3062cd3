"""Packages whose JSON and tables hold other types than ours: findings and errors, never a crash."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pathoai.errors import PackageError
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.package.check_annotations import AnnotationCheck
from pathoai_annotations.package.check_approval import check_approval
from pathoai_annotations.package.check_catalogue import check_catalogue
from pathoai_annotations.package.check_derived import check_derived
from pathoai_annotations.package.check_files import check_bag, check_files
from pathoai_annotations.package.check_images import ImageCheck
from pathoai_annotations.package.check_statements import check_statements
from pathoai_annotations.package.crate_reader import Crate
from pathoai_annotations.package.erasure import check_erasure
from pathoai_annotations.package.event_log import EventLog, read_event_log
from pathoai_annotations.package.fair_check import fair_check
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.loss_report import read_loss_report
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.sign_offs import check_sign_offs, read_sign_offs
from tests.annotations.package.mutations import outlines, seal_bag
from tests.annotations.package.wrong_types import FEW, tampered

_CELLS = ("", "x", "-1", "1e999", "nan", "9" * 5000, "\u00b2", "a\x00b", "[]")
_Read = TypeVar("_Read")


def _read_or_error(read: Callable[[], _Read]) -> _Read | PackageError:
    try:
        return read()
    except PackageError as error:
        return error


# --- the loss report ---------------------------------------------------------------------------


def test_no_wrong_value_of_the_loss_report_is_taken(package: Path) -> None:
    for place, wrong in tampered(package / "data/provenance/loss-report.json"):
        read = _read_or_error(lambda: read_loss_report(package))
        if isinstance(read, PackageError):
            assert read.where == "provenance/loss-report.json"
        else:
            assert all(isinstance(one, dict) for forms in read.values() for one in forms.values())
        if place != ("authority",):  # a word for people
            assert list(check_derived(package)), (place, wrong)


# --- sign-offs, and the logs they are held against ----------------------------------------------


def _tampered_table(path: Path) -> Iterator[tuple[str, str]]:
    whole = path.read_bytes()
    with path.open(newline="", encoding="utf8") as file:
        header, first, *rest = csv.reader(file)
    for at, column in enumerate(header):
        for cell in _CELLS:
            with path.open("w", newline="", encoding="utf8") as file:
                row = [*first[:at], cell, *first[at + 1 :]]
                csv.writer(file, lineterminator="\n").writerows([header, row, *rest])
            yield column, cell
    path.write_bytes(whole)


def test_sign_offs_with_wrong_cells_are_findings(package: Path) -> None:
    assert not list(check_sign_offs(package))
    for column, cell in _tampered_table(package / "data/tables/sign_offs.csv"):
        found = list(check_sign_offs(package))
        if column in ("slide_id", "sign_off_id", "reader") or (column == "seq" and cell != "-1"):
            assert found, (column, cell)
        read = _read_or_error(lambda: list(read_sign_offs(package)))
        if isinstance(read, PackageError):
            assert "malformed sign-off" in str(read) or "\x00" in cell
            assert found
        else:
            assert {event.operation for event in read} == {Operation.SIGN_OFF}


_TEXTS = ("event_id", "at", "author", "tool", "operation", "annotation_id", "label")


def test_no_edit_of_a_log_has_a_wrong_type(package: Path) -> None:
    log, slide_id = _log(package), outlines(package).stem
    for place, wrong in tampered(log):
        list(check_sign_offs(package))
        told = _read_or_error(lambda: EventLog(log))
        opened = _read_or_error(lambda: list(read_event_log(log, slide_id, {})))
        is_text, is_whole = isinstance(json.loads(wrong), str), wrong.isdecimal()
        if place in ((), ("seq",)) or (place[0] in _TEXTS and not is_text):
            assert isinstance(told, PackageError), (place, wrong)
            assert isinstance(opened, PackageError) or is_whole, (place, wrong)
        elif place[0] == "geometry":
            assert isinstance(opened, PackageError), (place, wrong)


def test_sign_offs_are_held_against_no_log_of_other_types(package: Path) -> None:
    where = _log(package).relative_to(package).as_posix()
    for place, wrong in tampered(_log(package)):
        if place in ((), ("annotation_id",)) and json.loads(wrong) in ([], {}):
            told = {(one.where, one.what) for one in check_sign_offs(package)}
            assert (where, "an edit in the log says what no edit does") in told, (place, wrong)


def _log(package: Path) -> Path:
    return package / "data/provenance" / f"journal-{outlines(package).stem}.jsonl"


# --- all else -----------------------------------------------------------------------------------


def _of_crate(package: Path) -> Iterator[Finding]:
    yield from check_files(package)
    yield from check_statements(package)
    try:
        crate = Crate(package)
    except PackageError as error:
        yield Finding(error.what, "")
    else:
        crate.counts()


def _of_release(package: Path) -> Iterator[Finding]:
    yield from check_approval(package, None)
    try:
        Release.read(package)
    except PackageError as error:
        yield Finding(error.what, "")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("data/privacy/erasure.json", check_erasure),
        ("data/privacy/release.json", _of_release),
        ("approval.json", lambda package: check_approval(package, None)),
    ],
)
def test_a_file_of_another_shape_is_a_finding(
    package: Path, name: str, check: Callable[[Path], Iterable[Finding]]
) -> None:
    for place, wrong in tampered(package / name):
        findings = list(check(package))
        if not place:
            assert findings, wrong


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("croissant.json", check_catalogue),
        ("datapackage.json", check_catalogue),
        ("ro-crate-metadata.json", _of_crate),
    ],
)
def test_a_description_of_another_shape_is_a_finding(
    package: Path, name: str, check: Callable[[Path], Iterable[Finding]]
) -> None:
    for place, wrong in tampered(package / "data" / name, FEW, depth=4):
        findings = list(check(package))
        if not place:
            assert findings, wrong


def test_outlines_of_another_shape_are_findings(package: Path) -> None:
    for path in (package / "data/annotations/geojson").iterdir():
        for place, wrong in tampered(path):
            findings = AnnotationCheck(package).run()
            assert findings, (place, wrong)


@pytest.mark.parametrize(
    "name",
    ["catalogue/datacite.json", "datapackage.json", "ro-crate-metadata.json", "croissant.json"],
)
def test_no_description_of_another_shape_ends_the_fair_check(package: Path, name: str) -> None:
    for _ in tampered(package / "data" / name, FEW, depth=2):
        assert len(fair_check(package)) == 17


def test_a_slide_of_a_name_that_no_file_has_is_a_finding(package: Path) -> None:
    for column, cell in _tampered_table(package / "data/tables/slides.csv"):
        list(check_derived(package))
        if column == "slide_id":
            findings = AnnotationCheck(package).run()
            assert "does not agree with the annotations" in {one.what for one in findings}, cell


def test_a_report_on_de_identification_of_another_shape_is_a_finding(imaged: Path) -> None:
    for place, wrong in tampered(imaged / "data/privacy/deid-report.json"):
        findings = ImageCheck(imaged, pixels=False).run()
        if len(place) < 2:
            assert findings, (place, wrong)


@pytest.mark.parametrize(
    ("old", "new"),
    [("UTF-8", "rot13"), ("BagIt-Version: 1.0", "BagIt-Version: 1.0\n" * 2)],
)
def test_a_bag_that_its_library_stumbles_over_is_a_finding(
    package: Path, old: str, new: str
) -> None:
    declaration = package / "bagit.txt"
    declaration.write_text(declaration.read_text("utf8").replace(old, new), "utf8")
    seal_bag(package)
    (finding,) = check_bag(package)
    assert finding.what == "the bag cannot be read (BagIt 1.0)"
