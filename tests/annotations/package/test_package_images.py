"""Packages that leave the institution hold de-identified copies of their slides."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pathoai.cli.main import main
from pathoai.deidentify.deidentify_slide import level_hashes
from pathoai.errors import PackageError
from pathoai.geometry import Size
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approve import approve_package
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.fair.metric import Verdict
from pathoai_annotations.package.fair_check import fair_check
from pathoai_annotations.package.images import images_of
from pathoai_annotations.package.open_package import open_package
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.conftest import IMAGED, OFFICER
from tests.annotations.package.image_mutations import image_of


def _rows(package: Path, table: str) -> list[dict[str, str]]:
    with (package / f"data/tables/{table}.csv").open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


def _entities(package: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((package / "data/ro-crate-metadata.json").read_text("utf8"))["@graph"]
    return {entity["@id"]: entity for entity in graph}


def _payload(package: Path) -> dict[str, bytes]:
    files = (p for p in sorted((package / "data").rglob("*")) if p.is_file())
    return {p.relative_to(package).as_posix(): p.read_bytes() for p in files}


def _code(study: Study) -> str:
    (row,) = study.cohort
    return row.slide_id


def _add(study: Study, slide: Path, number: int) -> str:
    """A slide with one annotation that is signed off."""
    (row,) = study.add([IncomingSlide(slide, patient="Q")])
    drawn = Annotation(
        uuid.UUID(int=number),
        row.slide_id,
        "dcis",
        shapely.box(20, 20, 300, 200),
        Origin.PATHOLOGIST,
        "R1",
    )
    with Journal.open(study) as journal:
        journal.propose([drawn])
        journal.validate([drawn.id], author="R1")
        journal.sign_off(row.slide_id, author="R1")
    return row.slide_id


def test_the_copy_has_the_pixels_and_nothing_else_of_the_slide(
    imaged: Path, generated: tuple[Path, object]
) -> None:
    assert verify_package(imaged).findings == ()
    source, copy = generated[0], image_of(imaged)
    assert level_hashes(copy) == level_hashes(source)
    assert describe_slide(source).associated_images
    assert not describe_slide(copy).associated_images
    # The digits of a random DICOM UID may hold any year.
    words = re.compile(rb"DUPONT|Jeanne|(?<![0-9.])1947(?![0-9.])|martin|ScanScope")
    for name, data in _payload(imaged).items():
        assert not words.search(data), name
    assert not list(imaged.rglob("report.json"))


def test_every_description_says_that_the_image_is_there(imaged: Path) -> None:
    (image,) = _rows(imaged, "images")
    code = image["slide_id"]
    assert image["path"] == f"images/{code}/{code}.svs"
    assert (image["image_id"], image["media_type"]) == (code, "image/tiff")
    entities = _entities(imaged)
    slide = entities[f"#slide-{code}"]
    assert slide["associatedMedia"] == [{"@id": image["path"]}]
    assert slide["thumbnail"] == {"@id": f"pictures/{code}.png"}
    assert "is in this package" in str(slide["description"])
    assert entities[image["path"]]["sha256"] == image["sha256"]
    assert {"@id": image["path"]} in entities["#packaging"]["result"]
    assert not [row for row in fair_check(imaged) if row.verdict is Verdict.FAIL]
    page = (imaged / "data/index.html").read_text("utf8")
    assert f'<img src="pictures/{code}.png"' in page
    assert "`images/`" in (imaged / "data/README.md").read_text("utf8")
    report = json.loads((imaged / "data/privacy/deid-report.json").read_text("utf8"))
    assert report["slides"][code]["files"][f"{code}.svs"]["sha256"] == image["sha256"]


def test_a_package_without_images_says_so(imaged_study: Study, tmp_path: Path) -> None:
    release = replace(IMAGED, with_images=False)
    package = build_package(imaged_study, tmp_path / "package", approval=release).path
    approve_package(package, OFFICER)
    assert verify_package(package).ok
    for folder in ("images", "pictures"):
        assert not (package / "data" / folder).exists()
    assert not _rows(package, "images")
    for name in ("README.md", "index.html"):
        assert "images are not in this package" in (package / "data" / name).read_text("utf8")
    slide = _entities(package)[f"#slide-{_code(imaged_study)}"]
    assert "is not in this package" in str(slide["description"])
    assert json.loads((package / "approval.json").read_text("utf8"))["images"] == "none"


def test_the_same_study_gives_the_same_bytes_wherever_its_slides_lie(
    imaged: Path, imaged_study: Study, generated: tuple[Path, object], tmp_path: Path
) -> None:
    moved = tmp_path / "another folder with a longer name" / "A.svs"
    moved.parent.mkdir()
    shutil.copy(generated[0], moved)
    imaged_study.add([IncomingSlide(moved, patient="P")])
    again = build_package(imaged_study, tmp_path / "again", approval=IMAGED).path
    assert _payload(again) == _payload(imaged)
    assert not list(tmp_path.glob(".again*"))


def test_what_cannot_leave_is_named_and_what_is_finished_is_kept(
    imaged_study: Study, tmp_path: Path
) -> None:
    good = _code(imaged_study)
    (tmp_path / "none.tif").write_bytes(bytes(64))
    bad = _add(imaged_study, tmp_path / "none.tif", 7)
    out = tmp_path / "package"
    with pytest.raises(PackageError, match=bad) as caught:
        build_package(imaged_study, out, approval=IMAGED)
    assert "--without-images" in str(caught.value)
    assert good not in str(caught.value)
    assert not out.exists()
    kept = tmp_path / f".package.images/{good}/{good}.svs"
    inode = kept.stat().st_ino
    with Journal.open(imaged_study) as journal:
        journal.reject([uuid.UUID(int=7)], author="R1")
    package = build_package(imaged_study, out, approval=IMAGED).path
    assert image_of(package).stat().st_ino == inode
    assert not list(tmp_path.glob(".package*"))


def test_a_kept_copy_that_was_altered_is_made_anew(
    imaged: Path, imaged_study: Study, tmp_path: Path
) -> None:
    code, out = _code(imaged_study), tmp_path / "package"
    kept = tmp_path / f".package.images/{code}"
    shutil.copytree(image_of(imaged).parent, kept)
    (kept / "report.json").write_text("{}")
    stranger = tmp_path / ".package.images/0123456789ABCDEF"
    stranger.mkdir()
    package = build_package(imaged_study, out, approval=IMAGED).path
    assert _payload(package) == _payload(imaged)


def _moved(study: Study, tmp_path: Path) -> None:
    """Somebody took the slide away, and the vault names a place where nothing lies."""
    links = study.vault / "sources.json"
    links.write_text(json.dumps({_code(study): str(tmp_path / "gone.svs")}))


def _replaced(study: Study, tmp_path: Path) -> None:
    """Another slide lies under the name."""
    _moved(study, tmp_path)
    (tmp_path / "gone.svs").write_bytes(b"another slide")


@pytest.mark.parametrize(
    ("change", "what"),
    [(_moved, "cannot be found"), (_replaced, "another file lies at the place of the slide")],
)
def test_a_slide_that_is_not_where_it_was_is_named_by_its_code(
    imaged_study: Study, tmp_path: Path, change: object, what: str
) -> None:
    change(imaged_study, tmp_path)  # type: ignore[operator]  # one of the two above
    with pytest.raises(PackageError, match=what) as caught:
        build_package(imaged_study, tmp_path / "package", approval=IMAGED)
    assert _code(imaged_study) in str(caught.value)
    assert "gone" not in str(caught.value)
    assert "--without-images" in str(caught.value)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    imaged_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PackageError, match="the disk is too small"):
        build_package(imaged_study, tmp_path / "package", approval=IMAGED)
    assert not list((tmp_path / ".package.images").iterdir())


def test_the_command_builds_approves_and_verifies(
    imaged_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "package")
    who = ("--exported-by", "DM1", "--opposition-date", "2026-01-31")
    build = ["package", "build", str(imaged_study.path), out, "--tier", "controlled", *who]
    _moved(imaged_study, tmp_path)
    assert main(build) == 1
    assert _code(imaged_study) in capsys.readouterr().err
    assert main([*build, "--without-images"]) == 0
    assert main(["package", "verify", out]) == 1
    assert "approval.json" in capsys.readouterr().out


def test_progress_ends_with_all_of_it(imaged_study: Study, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    build_package(
        imaged_study,
        tmp_path / "package",
        approval=IMAGED,
        advance_images=lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told)
    assert told[-1][1] == max(1, told[-1][0])


@pytest.fixture(scope="module")
def dicom_package(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An approved package of one DICOM slide: a folder with one level."""
    folder = tmp_path_factory.mktemp("dicom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = Study.create(
            folder / "study", ontology="breast", title="A series", publisher="University Hospital"
        )
        _add(study, real_data / "wsi" / "CMU-1-Small-Region-dicom", 1)
        package = build_package(study, folder / "package", approval=IMAGED).path
        approve_package(package, OFFICER)
        yield package


def test_the_files_of_a_slide_are_numbered_where_there_are_several() -> None:
    facts = {"sha256": "0" * 64, "bytes": 5}
    report = {"files": {"A.mrxs": facts, "A/Slidedat.ini": facts, "A/Data0000.dat": facts}}
    images = list(images_of("A", report))
    assert [i.image_id for i in images] == ["A-1", "A-2", "A-3"]
    assert [i.path for i in images] == [f"images/A/{name}" for name in sorted(report["files"])]
    assert images[2].media_type == "text/plain"


def test_a_series_is_opened_by_its_folder(dicom_package: Path, tmp_path: Path) -> None:
    assert verify_package(dicom_package).findings == ()
    (image,) = _rows(dicom_package, "images")
    code = image["slide_id"]
    assert image["path"] == f"images/{code}/series/{code}-0.dcm"
    assert image["media_type"] == "application/dicom"
    opened = open_package(dicom_package, tmp_path / "opened")
    with open_slide(opened.source_of(code)) as slide:
        assert slide.info.vendor == "dicom"


def test_pixels_that_cannot_be_decoded_here_are_a_note_and_no_silent_pass(
    dicom_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = shutil.copytree(dicom_package, tmp_path / "package")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    report = verify_package(package)
    assert report.findings == ()
    (note,) = report.notes
    assert note.startswith("pixels of 1 slides were not compared")
    with pytest.raises(PackageError, match="not checked cannot be approved"):
        approve_package(package, OFFICER)


def test_a_newcomer_tiles_the_copy_and_finds_the_annotations_where_they_lay(
    imaged: Path, imaged_study: Study, generated: tuple[Path, object], tmp_path: Path
) -> None:
    opened = open_package(imaged, tmp_path / "opened")
    code = _code(opened)
    assert opened.source_of(code) == image_of(imaged).resolve()
    assert main(["tile", str(opened.path)]) == 0
    header = SlideStore(opened.store_path(code)).header
    assert (header.slide_width, header.slide_height) == (1500, 1200)
    with Journal.open(opened) as theirs, Journal.open(imaged_study) as ours:
        found = list(theirs.annotations(status=OF_RECORD))
        assert found == list(ours.annotations(status=OF_RECORD))
    with open_slide(generated[0]) as source, open_slide(opened.source_of(code)) as copy:
        for annotation in found:
            x, y, right, bottom = map(int, annotation.geometry.bounds)
            size = Size(right - x, bottom - y)
            here, there = (slide.read_region(x, y, 0, size) for slide in (source, copy))
            np.testing.assert_array_equal(here, there)
