from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import bagit
import pytest
from rocrate.rocrate import ROCrate

from pathoai.errors import PackageError
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation, Status
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.verify import verify_package
from pathoai_annotations.record import told_waiting

# Put together here: no file of the project names a folder of a machine.
_HOME = "/" + "home"


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


def _entities(package: Path) -> dict[str, dict[str, object]]:
    graph = json.loads((package / "data/ro-crate-metadata.json").read_text("utf8"))["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_a_built_package_verifies(package: Path) -> None:
    report = verify_package(package)
    assert report.findings == ()
    assert (report.slides, report.annotations) == (2, 3)


def test_only_annotations_of_record_leave_and_unchanged(package: Path, study: Study) -> None:
    left: list[Annotation] = []
    for file in sorted((package / "data/annotations/geojson").iterdir()):
        context = ReadingContext(file.stem, study.ontology, "X", trust_metadata=True)
        left.extend(read_geojson(file, context))
    with Journal.open(study) as journal:
        of_record = journal.annotations(status=OF_RECORD)
    assert sorted(left, key=lambda a: a.id.int) == sorted(of_record, key=lambda a: a.id.int)


def test_tables_hold_counts_codes_and_hashes(package: Path, study: Study) -> None:
    slides = _rows(package / "data/tables/slides.csv")
    assert {s["slide_id"] for s in slides} == {row.slide_id for row in study.cohort}
    assert all(re.fullmatch("[0-9a-f]{64}", s["source_sha256"]) for s in slides)
    assert sum(int(s["annotations"]) for s in slides) == 3
    annotators = {r["code"]: r for r in _rows(package / "data/tables/annotators.csv")}
    assert {code: r["kind"] for code, r in annotators.items()} == {
        "R1": "reader",
        "R2": "reader",
        "unet": "proposer",
    }
    assert (annotators["R1"]["validated"], annotators["R2"]["corrected"]) == ("2", "1")


def test_journal_keeps_what_was_corrected_but_nothing_of_what_was_rejected(package: Path) -> None:
    lines = [
        json.loads(line)
        for file in sorted((package / "data/provenance").glob("journal-*"))
        for line in file.read_text("utf8").splitlines()
    ]
    kept = {line["annotation_id"] for line in lines}
    assert kept == {a["annotation_id"] for a in _rows(package / "data/tables/annotations.csv")}
    (correction,) = [line for line in lines if line["operation"] == "correct"]
    edits = [line for line in lines if line["annotation_id"] == correction["annotation_id"]]
    assert [edit["geometry"]["type"] for edit in edits] == ["MultiPolygon", "Polygon"]
    assert not any("geometry" in line for line in lines if line["operation"] == "validate")


def test_crate_states_the_run_the_exporter_by_code_and_both_versions(package: Path) -> None:
    entities = _entities(package)
    action = entities["#packaging"]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert action["agent"] == {"@id": "#exporter"}
    assert entities["#exporter"]["identifier"] == "DPO1"
    assert entities["ro-crate-metadata.json"]["conformsTo"] == [
        {"@id": "https://w3id.org/ro/crate/1.3"},
        {"@id": "https://w3id.org/ro/crate/1.1"},
    ]
    profile = entities["https://w3id.org/ro/wfrun/process/0.5"]
    assert profile["@type"] == ["CreativeWork", "Profile"]
    last = max(
        json.loads(line)["at"]
        for file in (package / "data/provenance").glob("journal-*")
        for line in file.read_text("utf8").splitlines()
    )
    assert action["endTime"] == last


def test_outside_tools_read_it(package: Path) -> None:
    crate = ROCrate(package / "data")
    assert crate.name == "Outlines of tumours"
    assert len(crate.data_entities) == len(list((package / "data").rglob("*.*"))) - 1
    assert bagit.Bag(str(package)).validate()
    assert bagit.Bag(str(package)).version_info == (1, 0)


def test_the_same_study_gives_the_same_bytes(
    package: Path, study: Study, approval: Approval, tmp_path: Path
) -> None:
    again = build_package(study, tmp_path / "elsewhere" / "again", approval=approval).path
    assert _bytes_of(again) == _bytes_of(package)
    build_package(study, package, approval=approval)
    assert _bytes_of(again) == _bytes_of(package)


def test_a_changed_study_replaces_its_package(
    package: Path, study: Study, approval: Approval
) -> None:
    before = _bytes_of(package)
    with Journal.open(study) as journal:
        waiting = journal.annotations(status=[Status.PROPOSED])
        journal.validate([a.id for a in waiting], author="R2")
        for one in waiting:
            journal.sign_off(one.slide_id, author="R2")
    build_package(study, package, approval=approval, version="1.1.0", replace=True)
    assert verify_package(package).annotations == 4
    assert _bytes_of(package).keys() == before.keys()
    assert not list(package.parent.glob(".package*"))


def test_the_approval_is_dated_by_the_last_edit_where_that_is_later(
    package: Path, study: Study
) -> None:
    record = json.loads((package / "approval.json").read_text("utf8"))
    with Journal.open(study) as journal:
        last = max(event.at for event in journal.events() if event.stands)[:10]
    assert record["opposition_date"] == "2026-01-31"
    assert record["approved_on"] == max("2026-01-31", last)
    assert f"Bagging-Date: {record['approved_on']}" in (package / "bag-info.txt").read_text("utf8")


def test_the_landing_page_has_linked_data_and_no_script(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    title = "A </script><script>alert(1)</script> & more"
    package = build_package(study, tmp_path / "package", approval=approval, title=title).path
    page = (package / "data/index.html").read_text("utf8")
    assert page.count("<script") == 1
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(block)["name"] == title
    assert json.loads(block)["@type"] == "Dataset"


def test_the_demonstration_says_that_it_is_one(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    with Journal.open(study) as journal:
        waiting = journal.annotations(status=[Status.PROPOSED])
        journal.validate([a.id for a in waiting], author="demo")
        for one in waiting:
            journal.sign_off(one.slide_id, author="demo")
    package = build_package(study, tmp_path / "package", approval=approval).path
    sentence = "Some annotations were validated by the demonstration and by no pathologist"
    for name in ("README.md", "index.html", "ro-crate-metadata.json"):
        assert sentence in (package / "data" / name).read_text("utf8")
    assert verify_package(package).ok


def test_scale_and_size_come_from_the_store(
    study: Study, approval: Approval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathoai.store import slide_store
    from pathoai.store.header import StoreHeader

    class _Store:
        def __init__(self, path: Path) -> None:
            self.header = StoreHeader(path.stem, 4000, 3000, 0.25, 0.26, 0.5)

    monkeypatch.setattr(slide_store, "is_complete", lambda path: True)
    monkeypatch.setattr(slide_store, "SlideStore", _Store)
    package = build_package(study, tmp_path / "package", approval=approval).path
    slide = _rows(package / "data/tables/slides.csv")[0]
    sizes = (slide["mpp_x"], slide["mpp_y"], slide["width_px"], slide["height_px"])
    assert sizes == ("0.25", "0.26", "4000", "3000")
    assert verify_package(package).ok


def test_nothing_of_the_machine_is_inside(package: Path, study: Study) -> None:
    everything = b"".join(_bytes_of(package).values()).decode()
    assert str(study.path.parent) not in everything
    assert study.sheet.uuid not in everything


def test_progress_counts_slides(study: Study, approval: Approval, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    build_package(
        study,
        tmp_path / "p",
        approval=approval,
        advance=lambda done, all_: told.append((done, all_)),
    )
    assert told == [(1, 2), (2, 2)]


def _refused(study: Study, out: Path, **settings: object) -> PackageError:
    approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
    with pytest.raises(PackageError) as caught:
        build_package(study, out, **({"approval": approval} | settings))  # type: ignore[arg-type]  # settings are what is tested
    assert caught.value.remedy
    return caught.value


def test_refuses_a_study_without_validated_annotations(tmp_path: Path) -> None:
    empty, out = Study.create(tmp_path / "empty", ontology="breast"), tmp_path / "package"
    assert "no annotation is validated" in _refused(empty, out).what
    assert not out.exists()
    assert not list(tmp_path.glob(".package*"))


def test_what_its_reader_has_not_signed_off_stays_in_the_study(
    study: Study, package: Path, approval: Approval
) -> None:
    first = next(iter(study.cohort)).slide_id
    with Journal.open(study) as journal:
        waiting = journal.annotations(status=[Status.PROPOSED])
        journal.validate([a.id for a in waiting], author="R1")
        journal.reopen(first, author="R2")
    built = build_package(study, package, approval=approval, replace=True)
    assert told_waiting(built.waiting) == (
        f"2 annotations wait for sign-off: 1 of R2 on {first}, 1 of R1 on {first}"
    )
    assert verify_package(package).annotations == 2
    with Journal.open(study) as journal:
        for slide_id in {row.slide_id for row in study.cohort}:
            journal.reopen(slide_id, author="R1")
    error = _refused(study, package)
    assert "nothing is signed off" in error.what
    lowest = min(row.slide_id for row in study.cohort)
    assert f"`pathoai readers sign-off STUDY --reader R1 --slide {lowest}`" in str(error)
    assert verify_package(package).annotations == 2


def test_refuses_a_study_whose_retention_has_ended(study: Study, tmp_path: Path) -> None:
    sheet = study.path / "study.toml"
    text = re.sub("(?m)^(created|retention_until) = .*\n", "", sheet.read_text("utf8"))
    ended = 'created = "2020-01-01T00:00:00+00:00"\nretention_until = "2024-12-31"\n'
    sheet.write_text(text.replace("[study]\n", f"[study]\n{ended}"), "utf8")
    error = _refused(Study(study.path), tmp_path / "package")
    assert "should not be kept any longer" in error.what


def test_refuses_an_annotation_of_an_unknown_slide(study: Study, tmp_path: Path) -> None:
    first = next(iter(study.cohort)).slide_id
    study.cohort.without([first]).write(study.path / "cohort.csv")
    error = _refused(study, tmp_path / "package")
    assert "not in the cohort" in error.what
    assert first in str(error)


@pytest.mark.parametrize("content", ["file", "folder", "other study", "link"])
def test_refuses_a_place_that_is_taken(study: Study, tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    if content == "file":
        out.write_text("mine")
    elif content == "link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        (out / "data").mkdir(parents=True)
        (out / "data/ro-crate-metadata.json").write_text("{}")
        if content == "other study":
            (out / "bag-info.txt").write_text("External-Identifier: urn:uuid:of-another\n")
    before = sorted(tmp_path.rglob("*"))
    assert "taken" in _refused(study, out).what
    assert sorted(tmp_path.rglob("*")) == before


def test_builds_into_an_empty_folder(study: Study, approval: Approval, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert verify_package(build_package(study, tmp_path / "out", approval=approval).path).ok


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("licence", "CC-BY-4", "unknown licence"),
        ("version", "one", "malformed version"),
        ("title", " \n", "title is empty"),
        ("title", "Ask jane.doe@hospital.example", "would not verify"),
        ("title", f"From {_HOME}/jane/study", "would not verify"),
        (
            "approval",
            Approval("DPO1", "officer", date(2020, 1, 1), date(2020, 1, 2)),
            "edited after the approval",
        ),
    ],
)
def test_refuses_settings(
    study: Study, tmp_path: Path, setting: str, value: object, what: str
) -> None:
    out = tmp_path / "package"
    error = _refused(study, out, **{setting: value})
    assert what in error.what
    assert "jane" not in str(error)
    assert not out.exists()


_KILLED = """
import sys, time
from datetime import date
from pathlib import Path
from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package

def wait(done, total):
    print("writing", flush=True)
    time.sleep(60)

approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
build_package(Study(Path(sys.argv[1])), Path(sys.argv[2]), approval=approval, advance=wait)
"""


def test_killed_half_way_leaves_no_package_and_the_next_run_cleans_up(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    out = tmp_path / "package"
    arguments = [sys.executable, "-c", _KILLED, str(study.path), str(out)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert not out.exists()
    assert (tmp_path / ".package.partial").exists()
    build_package(study, out, approval=approval)
    assert verify_package(out).ok
    assert not list(tmp_path.glob(".package*"))


def test_a_full_disk_leaves_the_old_package(
    package: Path, study: Study, approval: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathoai_annotations.package import build

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = _bytes_of(package)
    monkeypatch.setattr(build, "write_bag", full)
    with pytest.raises(OSError, match="No space"):
        build_package(study, package, approval=approval)
    assert _bytes_of(package) == before
    assert not list(package.parent.glob(".package*"))
