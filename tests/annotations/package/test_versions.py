"""A version says what it adds, changes and removes; a killed run is gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import shapely

from pathoai.errors import PackageError
from pathoai.privacy.tombstones import TABLE, Reason, TombstoneKind, Tombstones
from pathoai.study.package_ledger import forget_slide, read_packages
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Status
from pathoai_annotations.formats import geojson
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import payload
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.verify import verify_package


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def _changes(package: Path) -> str:
    return (package / "data/CHANGELOG.md").read_text("utf8")


def _withdraw(study: Study, slide_id: str) -> None:
    with Journal.open(study) as journal:
        judged = journal.annotations(slide_id, status=OF_RECORD)
        journal.reject([a.id for a in judged], author="R2")


def _validate(study: Study) -> str:
    with Journal.open(study) as journal:
        waiting = list(journal.annotations(status=[Status.PROPOSED]))
        journal.validate([a.id for a in waiting], author="R2")
        journal.sign_off(waiting[0].slide_id, author="R2")
    return waiting[0].slide_id


def _slides(study: Study) -> set[str]:
    return {row.slide_id for row in study.cohort}


def test_the_first_version_says_so_and_is_on_record(package: Path, study: Study) -> None:
    assert "## 1.0.0 (nothing came before)" in _changes(package)
    (record,) = read_packages(study)
    assert (record.version, record.tier, set(record.slides)) == (
        "1.0.0",
        "internal",
        _slides(study),
    )


def test_a_version_lists_what_changed_and_what_was_removed_and_why(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    changed = _validate(study)
    (removed,) = _slides(study) - {changed}
    _withdraw(study, removed)
    package = build_package(
        study, tmp_path / "p", approval=approval, version="1.1.0", why="Second reading."
    ).path
    text = _changes(package)
    assert "## 1.1.0 (against 1.0.0)\n\nSecond reading.\n" in text
    assert f"### Changed: annotations of slides\n\n- {changed}\n" in text
    assert f"### Removed: annotations of slides\n\n- {removed}\n" in text
    assert "Added" not in text
    assert verify_package(package).ok


def test_an_erased_slide_is_told_by_the_hash_of_its_code(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    kept = _validate(study)
    (erased,) = _slides(study) - {kept}
    _withdraw(study, erased)
    forget_slide(study, erased)
    package = build_package(study, tmp_path / "p", approval=approval, version="1.1.0").path
    text = _changes(package)
    assert "Erased after opposition or on demand" in text
    assert erased not in text
    assert not any(erased.encode() in content for content in _bytes_of(package).values())


def test_nobody_who_has_a_tombstone_is_packaged(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    patient = next(iter(study.cohort)).patient_id
    stones = Tombstones().added([patient], TombstoneKind.PATIENT, Reason.OPPOSITION)
    stones.write(study.path / TABLE)
    with pytest.raises(PackageError, match="would not verify") as caught:
        build_package(study, tmp_path / "p", approval=approval)
    assert "a patient that was erased or opposed is in it" in str(caught.value)


def test_a_version_made_again_is_the_same_whatever_came_after(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    words = {"approval": approval, "version": "1.1.0"}
    first = build_package(study, tmp_path / "a", why="Reason.", **words).path  # type: ignore[arg-type]  # two types
    build_package(study, tmp_path / "b", approval=approval, version="2.0.0")
    again = build_package(study, tmp_path / "c", **words).path  # type: ignore[arg-type]  # two types
    assert _bytes_of(again) == _bytes_of(first)


def test_a_reason_is_a_line(study: Study, approval: Approval, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no line of text"):
        build_package(study, tmp_path / "p", approval=approval, why="a\nb")


_KILLED = """
import sys, time
from datetime import date
from pathlib import Path
from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package

def wait(done, total):
    print("first slide", flush=True)
    time.sleep(60)

approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
build_package(Study(Path(sys.argv[1])), Path(sys.argv[2]), approval=approval, advance=wait)
"""


@pytest.mark.parametrize("damage", ["none", "file", "edit"])
def test_a_killed_run_is_gone_on_with(
    study: Study,
    approval: Approval,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    out = tmp_path / "p"
    arguments = [sys.executable, "-c", _KILLED, str(study.path), str(out)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first slide\n"
        process.send_signal(signal.SIGKILL)
    (kept,) = (tmp_path / ".p.partial/data/annotations/geojson").iterdir()
    (tmp_path / ".p.partial/data/stranger.txt").write_text("x")
    if damage == "file":
        kept.write_text("{}")
    elif damage == "edit":
        with Journal.open(study) as journal:
            one = list(journal.annotations(kept.stem, status=OF_RECORD))
            journal.correct(one[0].id, author="R1", geometry=shapely.box(1, 2, 30, 40))
            journal.sign_off(kept.stem, author="R1")
    written: list[str] = []
    write = geojson.write_geojson

    def spy(path: Path, *words: object) -> None:
        written.append(path.stem)
        write(path, *words)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(payload, "write_geojson", spy)
    package = build_package(study, out, approval=approval).path
    others = _slides(study) - {kept.stem}
    assert set(written) == (others if damage == "none" else others | {kept.stem})
    assert _bytes_of(package) == _bytes_of(
        build_package(study, tmp_path / "fresh", approval=approval).path
    )
    assert not list(tmp_path.glob(".p*"))
