"""A package is built from what is validated, and from nothing else."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest
from rocrate.rocrate import ROCrate
from shapely import box

from pathoai.errors import PackageError
from pathoai.study.cohort import Cohort, IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.journal import Journal
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.verify import verify_package

Draw = Callable[..., Annotation]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# What a good package is.


def test_a_fresh_package_verifies_here_and_with_the_reference_tools(package: Path) -> None:
    report = verify_package(package)

    assert report.findings == ()
    assert report.ok
    assert report.annotations == 2
    bagit.Bag(str(package)).validate()
    crate = ROCrate(str(package / "data"))
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert {part.id for part in crate.root_dataset["hasPart"]} == {
        p.relative_to(package / "data").as_posix()
        for p in (package / "data").rglob("*")
        if p.is_file()
    } - {layout.CRATE}


def test_only_what_was_validated_or_corrected_leaves(
    package: Path, reviewed: Study, slide_id: str
) -> None:
    context = ReadingContext(slide_id, reviewed.ontology, "x", trust_metadata=True)

    read = list(read_geojson(package / "data" / layout.geojson_name(slide_id), context))

    with Journal.open(reviewed) as journal:
        of_record = [a for a in journal.annotations() if a.status in ("validated", "corrected")]
    assert read == of_record
    assert len(read) == 2


def test_the_metadata_say_where_annotations_come_from(package: Path) -> None:
    crate = ROCrate(str(package / "data"))

    assert "1 by model (corrected), 1 by model (validated)" in crate.root_dataset["description"]
    profiles = list(crate.metadata["conformsTo"])
    assert profiles == ["https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/crate/1.1"]
    assert crate.get("#author-R1").type == "Person"
    assert crate.get("#author-model") is None
    assert crate.get("urn:sha256:" + "ab" * 32)["name"] == "model unet"
    assert crate.get("urn:sha256:" + "ab" * 32).type == "SoftwareApplication"


def test_a_demonstration_says_that_it_is_one(
    reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    with Journal.open(reviewed) as journal:
        journal.validate([a.id for a in journal.annotations()], author="demo")

    package = build_package(reviewed, tmp_path / "package", approval=approval)

    for name in (layout.README, layout.LANDING_PAGE, layout.CRATE):
        assert "DEMONSTRATION: demo" in (package / "data" / name).read_text()
    demo = [r for r in _rows(package / "data" / layout.ANNOTATORS) if r["author"] == "demo"]
    assert demo[0]["demonstration"] == "true"


def test_slides_are_referenced_by_code_and_hash_and_no_name_leaves(
    package: Path, reviewed: Study, tmp_path: Path
) -> None:
    (row,) = reviewed.cohort
    (listed,) = _rows(package / "data" / layout.SLIDES)
    everything = b"".join(_bytes(package).values())

    assert listed["slide_id"] == row.slide_id
    assert listed["source_sha256"] == row.source_sha256
    for secret in (b"DOE", b"Jane", b"B12-3456", str(tmp_path).encode()):
        assert secret not in everything
    assert reviewed.sheet.uuid.encode() not in everything


def test_every_class_is_in_the_vocabulary_with_its_codes(package: Path, reviewed: Study) -> None:
    rows = {row["key"]: row for row in _rows(package / "data" / layout.CLASSES)}

    assert set(rows) == {c.key for c in reviewed.ontology.classes}
    assert rows["dcis"]["codings"].startswith("SCT:86616005 Intraductal carcinoma in situ")
    assert rows["dcis"]["colour"] == "#e69f00"


# Building again, building elsewhere, being killed.


def test_building_again_gives_the_same_bytes(
    package: Path, reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in package.rglob("*")}

    again = build_package(reviewed, package, approval=approval)
    elsewhere = build_package(reviewed, tmp_path / "elsewhere", approval=approval)

    assert {p: p.stat().st_mtime_ns for p in again.rglob("*")} == before
    assert _bytes(elsewhere) == _bytes(package)


def test_an_altered_package_of_the_study_is_replaced(
    package: Path, reviewed: Study, approval: Approval
) -> None:
    good = _bytes(package)
    (package / "data" / layout.README).write_text("altered")

    build_package(reviewed, package, approval=approval)

    assert _bytes(package) == good
    assert sorted(p.name for p in package.parent.iterdir() if "package" in p.name) == ["package"]


def test_a_folder_that_is_something_else_is_never_touched(
    reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")

    with pytest.raises(PackageError, match="no package of this study"):
        build_package(reviewed, tmp_path / "thesis", approval=approval)

    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_package_of_another_study_is_never_touched(
    package: Path, approval: Approval, tmp_path: Path
) -> None:
    other = Study.create(tmp_path / "other", ontology="breast")

    with pytest.raises(PackageError, match="no package of this study"):
        build_package(other, package, approval=approval)


def test_a_build_killed_half_way_leaves_no_package_and_the_next_one_is_whole(
    reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    out = tmp_path / "package"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(reviewed.path), str(out)])
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / ".package.partial").exists()

    build_package(reviewed, out, approval=approval)

    assert verify_package(out).ok
    assert not (tmp_path / ".package.partial").exists()


_KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from pathoai.study.study import Study
from pathoai_annotations.package import build
from pathoai_annotations.package.approval import Approval
build.close_bag = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
build.build_package(Study(Path(sys.argv[1])), Path(sys.argv[2]), approval=approval)
"""


# What is refused.


def test_a_study_without_validated_annotations_has_nothing_to_share(
    study: Study, slide_id: str, approval: Approval, tmp_path: Path, draw: Draw
) -> None:
    with pytest.raises(PackageError, match="no validated annotation"):
        build_package(study, tmp_path / "package", approval=approval)
    with Journal.open(study) as journal:
        journal.propose([draw(slide_id=slide_id)])

    with pytest.raises(PackageError, match="no validated annotation"):
        build_package(study, tmp_path / "package", approval=approval)

    assert not (tmp_path / "package").exists()


def test_a_slide_that_left_the_cohort_does_not_leave_the_study(
    reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    Cohort().write(reviewed.path / "cohort.csv")

    with pytest.raises(PackageError, match="not in the cohort"):
        build_package(reviewed, tmp_path / "package", approval=approval)


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("Slides of jane.doe@hospital.example", "e-mail"),
        ("Slides in /home/jdoe/slides", "absolute path"),
        ("Slides of DOE_Jane_B12-3456.svs", "source file"),
    ],
)
def test_a_title_that_tells_too_much_is_refused(
    reviewed: Study, approval: Approval, tmp_path: Path, title: str, what: str
) -> None:
    sheet = reviewed.path / "study.toml"
    sheet.write_text(sheet.read_text().replace("A study", title))

    with pytest.raises(PackageError, match=what):
        build_package(Study(reviewed.path), tmp_path / "package", approval=approval)

    assert not list(tmp_path.glob("*package*"))


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [("version", "one", "malformed version"), ("licence", "mine", "unknown licence")],
)
def test_versions_and_licences_that_no_reader_knows_are_refused(
    reviewed: Study, approval: Approval, tmp_path: Path, option: str, value: str, what: str
) -> None:
    with pytest.raises(PackageError, match=what):
        build_package(reviewed, tmp_path / "package", approval=approval, **{option: value})


def test_the_reference_tools_need_no_other_working_directory(
    reviewed: Study, approval: Approval, tmp_path: Path
) -> None:
    here = os.getcwd()

    build_package(reviewed, tmp_path / "deep" / "package", approval=approval)

    assert os.getcwd() == here


def test_outlines_of_many_slides_stay_with_their_slide(
    study: Study, approval: Approval, tmp_path: Path, draw: Draw
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.svs").write_bytes(bytes([number]))
        study.add([IncomingSlide(tmp_path / f"{number}.svs")])
    ids = [row.slide_id for row in study.cohort]
    with Journal.open(study) as journal:
        for number, slide in enumerate(ids[1:], start=1):
            drawn = [
                draw(str(i), slide_id=slide, geometry=box(i, 0, i + 1, 1)) for i in range(number)
            ]
            journal.propose(drawn)
            journal.validate([a.id for a in drawn], author="R1")

    package = build_package(study, tmp_path / "package", approval=approval)

    listed = {r["slide_id"]: int(r["annotations"]) for r in _rows(package / "data" / layout.SLIDES)}
    assert listed == {ids[1]: 1, ids[2]: 2, ids[3]: 3}
