"""A study that may only be read: an archive, a snapshot, a colleague's. It can be looked at."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.privacy.audit_entry import Action
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.store.header import StoreHeader
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.sign_off import sign_off_slide
from tests.annotations.conftest import write_store
from tests.read_only_place import contents, read_only

Draw = Callable[..., Annotation]


@pytest.fixture
def filled(study: Study, slide_id: str, draw: Draw) -> Study:
    """A study in which a reader has validated an annotation and signed its slide off."""
    assign(study, [slide_id], {"R1": Role.READER})
    with Journal.open(study) as journal:
        journal.propose([draw("a", slide_id=slide_id), draw("b", slide_id=slide_id)])
        journal.validate([draw("a", slide_id=slide_id).id], author="R1")
    sign_off_slide(study, slide_id, reader="R1")
    return study


def _words(text: str, study: Path, slide_id: str) -> list[str]:
    return [{"STUDY": str(study), "ID": slide_id}.get(word, word) for word in text.split()]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("annotations summary STUDY", "1 proposed, 1 validated"),
        ("annotations show STUDY --slide ID", "2 annotations"),
        ("annotations log STUDY", "sign_off"),
        ("annotations diff STUDY --from 0", "2 annotations differ"),
        ("annotations check STUDY", "4 edits whole"),
        ("readers status STUDY", "1 of 1 signed off"),
        ("audit show STUDY", '"digest"'),
        ("audit verify STUDY", "entries hold, and the journal is what they say"),
        ("cohort show STUDY", "1 slides"),
    ],
)
def test_it_is_looked_at(
    filled: Study, slide_id: str, capsys: pytest.CaptureFixture[str], words: str, answer: str
) -> None:
    before = contents(filled.path)
    capsys.readouterr()
    with read_only(filled.path):
        assert main(_words(words, filled.path, slide_id)) == 0
    said = capsys.readouterr()
    assert answer in said.out
    (note,) = said.err.splitlines()
    assert note.startswith("pathoai: this access is not in the audit trail: ")
    assert contents(filled.path) == before


@pytest.mark.parametrize(
    "words",
    [
        "annotations validate STUDY --author R1",
        "annotations comment STUDY --slide ID --author R1 --text unclear",
        "annotations check STUDY --rebuild",
        "readers reopen STUDY --slide ID --reader R1",
    ],
)
def test_what_would_change_it_is_one_clear_line(
    filled: Study, slide_id: str, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    before = contents(filled.path)
    capsys.readouterr()
    with read_only(filled.path):
        assert main(_words(words, filled.path, slide_id)) == 1
    _, error = capsys.readouterr().err.splitlines()
    assert "the journal may only be read here. Remedy: make the study's folder" in error
    assert contents(filled.path) == before


@pytest.fixture
def with_store(filled: Study, slide_id: str) -> Study:
    """The same, its slide tiled."""
    write_store(filled, StoreHeader(slide_id, 4200, 120, 0.25, 0.25, 0.5))
    return filled


@pytest.mark.parametrize(
    ("command", "made", "told"),
    [
        ("overview", ["ID.png"], "out/ID.png"),
        ("agree", ["agree-*.json", "report.html", "report.json"], "the record of this run"),
    ],
)
def test_what_is_made_of_it_may_lie_elsewhere(
    with_store: Study,
    slide_id: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    made: list[str],
    told: str,
) -> None:
    before, out = contents(with_store.path), tmp_path / "pictures" / "out"
    with read_only(with_store.path):
        assert main([command, str(with_store.path), "--out", str(out)]) == 0
    assert told.replace("ID", slide_id) in capsys.readouterr().out
    found = sorted(path.name for path in out.iterdir())
    patterns = [name.replace("ID", slide_id) for name in made]
    assert len(found) == len(made)
    assert all(map(fnmatch, found, patterns))
    assert contents(with_store.path) == before


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        ("overview STUDY", "pictures would be written into it", "say --out"),
        ("agree STUDY", "the report would be written into it", "say --out"),
        ("qc STUDY --device cpu", "what is found of each slide", "work on a copy"),
        ("annotations export STUDY FILE", "must be entered in the study's audit", "work on a copy"),
    ],
)
def test_what_must_be_written_into_it_says_so(
    with_store: Study,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
    remedy: str,
) -> None:
    before, file = contents(with_store.path), tmp_path / "a.geojson"
    capsys.readouterr()
    with read_only(with_store.path):
        options = _words(words.replace("FILE", str(file)), with_store.path, "")
        assert main(options) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert said in error
    assert f". Remedy: {remedy}" in error or f", or {remedy}" in error
    assert contents(with_store.path) == before
    assert not file.exists()


def test_a_copy_of_it_is_exported_from(filled: Study, tmp_path: Path) -> None:
    with read_only(filled.path):
        copy = shutil.copytree(filled.path, tmp_path / "copy", copy_function=shutil.copyfile)
    copy.chmod(0o755)
    for folder in filter(Path.is_dir, copy.rglob("*")):
        folder.chmod(0o755)
    file = tmp_path / "a.geojson"
    assert main(["annotations", "export", str(copy), str(file)]) == 0
    assert file.is_file()
    assert main(["audit", "verify", str(copy)]) == 0


def test_verify_says_that_it_holds_nobody_up(
    filled: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    trail = AuditTrail.open(filled)
    with trail.path.open("ab") as file:
        file.write(b'{"seq": 99, "at"')  # another program is in the middle of an entry
    capsys.readouterr()
    with read_only(filled.path):
        assert main(["audit", "verify", str(filled.path)]) == 0
    assert "note: the study may only be read here" in capsys.readouterr().out
    # What was cut off is found all the same.
    trail.path.write_bytes(b"".join(trail.lines()[:2]))
    with read_only(filled.path):
        assert main(["audit", "verify", str(filled.path)]) == 1
    assert "its end was cut off" in capsys.readouterr().out


def test_an_older_copy_verifies_and_is_called_one(
    filled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(filled.path, tmp_path / "copy"))
    with read_only(copy):
        assert main(["audit", "verify", str(copy)]) == 0
    assert "went on" not in capsys.readouterr().out
    trail = AuditTrail.open(filled)
    trail.append(Action.ACCESS, "R1", {"command": "tile"})
    with read_only(copy):
        assert main(["audit", "verify", str(copy)]) == 0
    assert "went on to entry" in capsys.readouterr().out
    lines = trail.lines()
    (copy / "audit_trail" / trail.path.name).write_bytes(b"".join([lines[0], *lines[2:]]))
    with read_only(copy):
        assert main(["audit", "verify", str(copy)]) == 1
    assert "entry 2 is missing: deleted" in capsys.readouterr().out


@contextmanager
def _mounted_to_be_read(folder: Path, place: Path) -> Iterator[None]:
    place.mkdir()
    binds = ["mount", "--bind", str(folder), str(place)]
    if shutil.which("mount") is None or subprocess.run(binds, capture_output=True).returncode:
        pytest.skip("this account may not mount a folder")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_read_only_is_looked_at(
    filled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mounted"
    with _mounted_to_be_read(filled.path, place):
        for words in (("annotations", "summary"), ("readers", "status"), ("audit", "verify")):
            capsys.readouterr()
            assert main([*words, str(place)]) == 0
            (note,) = capsys.readouterr().err.splitlines()
            assert "Read-only file system" in note
        with Journal.open(Study(place)) as journal:
            assert journal.database.is_read_only
