"""After an erasure a search of every byte finds nothing of the person, and all else is whole."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from shapely import box

from pathoai.cli.main import main
from pathoai.errors import ErasureError, StudyError
from pathoai.privacy.opposition import opposition_applied
from pathoai.privacy.pseudonym import codes_of_all_spellings, load_or_create_key
from pathoai.privacy.tombstones import Reason, Tombstones, tombstone_hash
from pathoai.provenance import ProvenanceRecord, sha256_of_json
from pathoai.study.cohort import Cohort, CohortRow, IncomingSlide
from pathoai.study.seals import seal, seals, sheet_locked
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.erasure.erase import erase_person
from pathoai_annotations.erasure.reach import reach_of
from pathoai_annotations.journal.journal import Journal

Rows = dict[str, CohortRow]


def _slide(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "cabinet-du-docteur-martin" / f"{name}_1947.svs"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(name.encode() * 100)
    return path


def _outline(slide: str, name: str, label: str = "dcis") -> Annotation:
    return Annotation(
        deterministic_id(slide, name), slide, label, box(10, 10, 90, 90), Origin.PATHOLOGIST, "R1"
    )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two patients: Dupont with an H&E slide and another, Martin with the restained twin."""
    study = Study.create(tmp_path / "study", ontology="breast")
    he, other = (_slide(tmp_path, f"DUPONT-{i}") for i in (1, 2))
    study.add(
        [
            IncomingSlide(he, patient="Dupont Jeanne", block="24B1-A1", pair="p1"),
            IncomingSlide(other, patient="Dupont Jeanne"),
            IncomingSlide(_slide(tmp_path, "MARTIN"), patient="Martin", pair="p1", stain="IHC"),
        ]
    )
    _furnish(study, [row.slide_id for row in study.cohort])
    return study


def _furnish(study: Study, slides: list[str]) -> None:
    he, second, twin = slides
    with Journal.open(study) as journal:
        journal.propose([_outline(s, n) for s in slides for n in "abc"])
        journal.validate([deterministic_id(s, "a") for s in slides], author="R1")
        journal.sign_off(he, author="R1")
        journal.delete([deterministic_id(he, "b")], author="R2")
    for slide in slides:
        _write(study.store_path(slide) / "0" / "c" / "0", "pixels")
        _write(study.objects_path(slide, "prediction/m"), "objects")
        _write(study.quality_sheet_path(slide), "picture")
    label = study.store_path(twin) / "labels" / f"registration.{he}"
    _write(label / "zarr.json", json.dumps({"attributes": {"pathoai": {"moving": he}}}))
    listed = {"attributes": {"ome": {"labels": ["prediction.m", label.name]}}}
    _write(label.parent / "zarr.json", json.dumps(listed))
    _write(study.objects_path(twin, f"registration/{he}"), "table")
    _write(study.queue_path("m"), f"slide_id,x\n{he},1\n{twin},2\n")
    _write(study.readers_path / "assignments.csv", f"at,slide_id\n1,{he}\n2,{twin}\n")
    _write(study.quality_path / "quality.csv", f"slide_id,x\n{he},1\n{twin},2\n")
    _write(study.evaluation_path("m", "test") / "report.json", json.dumps([second]))
    _write(study.predictions_path("m"), f"slide_id,g\n{second},1\n")
    _write(study.path / "packages" / "1.0.0.json", json.dumps({"slides": {he: "0"}}))
    _write(study.model_path("m") / "bundle.json", json.dumps({"name": "m"}))
    began, ended = "2026-01-01T00:00:00", "2026-01-01T00:00:01"
    inputs = {f"slide/{he}": study.cohort[he].source_sha256}
    record = ProvenanceRecord("train", {"name": "m"}, inputs, {}, began, ended)
    record.write(study.provenance_path)
    split = {"format": "pathoai split 1", "slides": [[s, i, "train"] for i, s in enumerate(slides)]}
    _write(study.splits_path / "main.json", json.dumps(split))
    with sheet_locked(study.path):
        seal(study.path, "splits", "main", sha256_of_json(split))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _remains(study: Study, traces: list[str]) -> list[str]:
    found = []
    for folder in (study.path, study.vault):
        for path in folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            found += [path.name for t in traces if t in path.name or t.encode() in data]
    return found


def _traces(study: Study, tmp_path: Path) -> list[str]:
    rows = list(study.cohort)[:2]
    codes = [row.slide_id for row in rows] + [rows[0].patient_id, rows[0].block_id]
    return [*codes, *(row.source_sha256 for row in rows), "DUPONT", "Dupont"]


@pytest.mark.parametrize("by", ["patient_id", "slide_id"])
def test_nothing_is_left_of_a_person(study: Study, tmp_path: Path, by: str) -> None:
    traces, first = _traces(study, tmp_path), next(iter(study.cohort))
    martin = list(study.cohort)[2].slide_id
    assert _remains(study, traces)
    with Journal.open(study) as journal:
        kept = journal.annotations(martin)
    reach = erase_person(study, getattr(first, by), Reason.ERASURE)
    assert _remains(study, traces) == []
    assert (reach.models, reach.packages) == (("m",), ("1.0.0",))
    assert [row.slide_id for row in study.cohort] == [martin]
    with Journal.open(study) as journal:
        assert journal.annotations(martin) == kept
        assert journal.annotations() == kept
    assert study.store_path(martin).is_dir()
    assert "registration" not in (study.store_path(martin) / "labels/zarr.json").read_text()
    assert (study.quality_path / "quality.csv").read_text() == f"slide_id,x\n{martin},2\n"
    split = json.loads((study.splits_path / "main.json").read_text())
    assert [row[0] for row in split["slides"]] == [martin]
    assert seals(study.path, "splits")["main"] == sha256_of_json(split)
    package = json.loads((study.path / "packages/1.0.0.json").read_text())
    assert list(package["slides"]) == [tombstone_hash(first.slide_id)]
    assert main(["annotations", "check", str(study.path)]) == 0
    assert main(["audit", "verify", str(study.path)]) == 0


def test_a_dry_run_shows_the_reach_and_changes_nothing(
    study: Study, vault: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(iter(study.cohort))
    before = _files(study.path), _files(vault)
    reach = reach_of(study, first.patient_id)
    assert (_files(study.path), _files(vault)) == before
    assert main(["erase", str(study.path), first.patient_id, "--dry-run"]) == 0
    told = capsys.readouterr().out
    after = _files(study.path)
    assert {k for k in after if after[k] != before[0].get(k)} <= {
        k for k in after if k.startswith("audit_trail/")
    }
    for path in (*reach.copies, *reach.labels, *reach.splits, *reach.files):
        assert path.relative_to(study.path).as_posix() in told
        assert told.count(f": {path.relative_to(study.path).as_posix()}\n") == 1
    assert f"{len(reach.edits)} edits" in told
    assert "model trained with him: m" in told
    assert "package that contains him: 1.0.0" in told


def test_an_erasure_tells_in_counts_what_was_removed_and_what_stays(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(iter(study.cohort))
    assert main(["erase", str(study.path), first.patient_id, "--dry-run"]) == 0
    would = capsys.readouterr().out.splitlines()
    files: dict[str, list[Path]] = {
        fate: [] for fate in ("removed", "stay, without what names him")
    }
    for line in would:
        fate, _, path = line.strip().partition(": ")
        if (study.path / path).exists() and fate in files:
            files[fate].append(study.path / path)
    assert main(["erase", str(study.path), first.patient_id]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1:] == would[1 : len(told)]
    assert len(told) == 1 + len(files) + 2  # a model and a package are named
    for (fate, paths), line in zip(files.items(), told[1:3], strict=True):
        counts = [int(word) for word in line.split() if word.isdigit()]
        assert line.startswith(f"  {fate}: ")
        assert sum(counts) == len(paths) > 0
    assert not any(path.exists() for path in files["removed"])
    assert all(path.exists() for path in files["stay, without what names him"])


def test_who_was_taken_out_does_not_come_in_again(study: Study, tmp_path: Path) -> None:
    erase_person(study, next(iter(study.cohort)).patient_id, Reason.ERASURE)
    for incoming in (
        IncomingSlide(_slide(tmp_path, "DUPONT-1")),
        IncomingSlide(_slide(tmp_path, "NEW"), patient="Dupont Jeanne"),
    ):
        with pytest.raises(StudyError, match="taken out of the study"):
            study.add([incoming])
    assert "NEW" not in (study.vault / "sources.json").read_text()


def test_a_list_of_identifiers_is_applied_and_never_stored(study: Study, tmp_path: Path) -> None:
    traces = [*_traces(study, tmp_path), "Petit Paul"]
    names = tmp_path / "oppositions.txt"
    names.write_text("Dupont Jeanne\n\nPetit Paul\n")
    assert main(["oppose", str(study.path), "--list", str(names)]) == 0
    assert _remains(study, traces) == []
    assert opposition_applied(study.path) is not None
    assert len(Tombstones.read(study.path / "tombstones.csv")) == 4
    with pytest.raises(StudyError, match="taken out of the study"):
        study.add([IncomingSlide(_slide(tmp_path, "PETIT"), patient="Petit Paul")])
    assert main(["oppose", str(study.path), "--list", str(names)]) == 0


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_opposition_reaches_every_spelling_also_in_a_study_made_before(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Literal["NFC", "NFD"]
) -> None:
    name = "\u00c9lo\u00efse"
    study.add([IncomingSlide(_slide(tmp_path, "NEW"), patient=name)])
    # Martin's code is now one that a spelling of her name had before there was one for all.
    row = list(study.cohort)[2]
    earlier = codes_of_all_spellings(load_or_create_key(study.vault), "patient", name)[1]
    Cohort([*study.cohort, replace(row, patient_id=earlier)]).write(study.path / "cohort.csv")
    names = tmp_path / "oppositions.txt"
    names.write_text(unicodedata.normalize(form, f"\n  {name} \nGone\nPetit\n"), "utf8")
    assert main(["oppose", str(study.path), "--list", str(names)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 on the list, 1 of them in the study\n")
    assert "nobody whom the study has: lines 3-4 of the list\n" in said
    assert len(study.cohort) == 2
    assert "Petit" not in said
    assert main(["oppose", str(study.path), "--list", str(names)]) == 0
    assert "taken out or kept out before: lines 2-4 of the list\n" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "\ufeff", " \n\n\t\n"])
def test_an_empty_list_is_not_applied(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    names = tmp_path / "oppositions.txt"
    names.write_text(content, "utf8")
    assert main(["oppose", str(study.path), "--list", str(names)]) == 1
    said = capsys.readouterr().err
    assert "names nobody" in said
    assert "--opposition-date" in said
    assert opposition_applied(study.path) is None


@pytest.mark.parametrize("code", ["Dupont", "0123456789ABCDEF"])
def test_who_is_not_in_the_study_is_refused(study: Study, code: str) -> None:
    with pytest.raises(ErasureError, match="CODE"):
        erase_person(study, code, Reason.ERASURE)


_KILLED = """
import os, signal, sys
from pathlib import Path
from pathoai.privacy.pseudonym import codes_of_all_spellings, load_or_create_key
from pathoai.privacy.tombstones import Reason
from pathoai.study.study import Study
from pathoai_annotations.erasure import erase
step = getattr(erase, sys.argv[3])
def struck(*arguments):
    if sys.argv[4] == "after":
        step(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(erase, sys.argv[3], struck)
erase.erase_person(Study(Path(sys.argv[1])), sys.argv[2], Reason.ERASURE)
"""


def test_killed_at_every_step_it_goes_on_to_the_same_end(study: Study, tmp_path: Path) -> None:
    traces, patient = _traces(study, tmp_path), next(iter(study.cohort)).patient_id
    for step, when in (
        ("_set_tombstones", "after"),
        ("_redact", "before"),
        ("redact", "after"),
        ("remove_label", "after"),
        ("remove", "after"),
        ("remove_from_split", "after"),
        ("clean", "after"),
        ("_record", "after"),
        ("_forget", "after"),
    ):
        words = (sys.executable, "-c", _KILLED, str(study.path), patient, step, when)
        assert subprocess.run(words, env=os.environ, timeout=60).returncode == -signal.SIGKILL
    erase_person(study, patient, Reason.ERASURE)
    assert _remains(study, traces) == []
    assert main(["annotations", "check", str(study.path)]) == 0
    assert main(["audit", "verify", str(study.path)]) == 0
