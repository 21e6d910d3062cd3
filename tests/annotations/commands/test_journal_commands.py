"""``pathoai annotations log|show|diff|…``: what a user types, sees and gets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely import box

from pathoai.cli.main import main
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind

Draw = Callable[..., Annotation]
Run = Callable[..., str]


@pytest.fixture
def run(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``pathoai annotations ACTION STUDY …`` and give what it printed."""

    def made(action: str, *words: object) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study.path), *map(str, words)]) == 0
        return capsys.readouterr().out

    return made


@pytest.fixture
def fail(study: Study, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run it, and give the one line of its error."""

    def made(action: str, *words: object) -> str:
        capsys.readouterr()
        assert main(["annotations", action, str(study.path), *map(str, words)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("pathoai: error: ")
        return line

    return made


@pytest.fixture
def edited(study: Study, slide_id: str, draw: Draw) -> tuple[Study, Annotation, Annotation]:
    """Edits 1 and 2 propose, 3 corrects the first as R1, 4 validates the second as R2."""
    one, two = (
        draw(name, slide_id=slide_id, geometry=box(x, 0, x + 9, 9))
        for name, x in (("one", 0), ("two", 20))
    )
    with Journal.open(study) as journal:
        journal.propose([one, two])
        journal.correct(one.id, author="R1", label="stroma", seconds=12.5)
        journal.validate([two.id], author="R2")
    return study, one, two


def _json(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_log_is_chosen_from(
    edited: tuple[Study, Annotation, Annotation], run: Run, slide_id: str
) -> None:
    _, one, two = edited
    run("comment", "--annotation", one.id, "--author", "R2", "--text", "a\nb")
    run("comment", "--slide", slide_id, "--author", "R2", "--text", "pale")
    lines = run("log").splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6"]
    assert lines[2].endswith(f"R1 correct {slide_id} {one.id} stroma 12.5 s")
    assert lines[4].endswith(f'R2 comment {slide_id} {one.id} - "a\\nb"')
    assert lines[5].endswith(f'R2 comment {slide_id} - - "pale"')
    assert len(run("log", "--author", "R2").splitlines()) == 3
    assert len(run("log", "--annotation", two.id).splitlines()) == 2
    assert len(run("log", "--since", 4, "--slide", slide_id).splitlines()) == 2
    record = _json(run("log", "--json", "--annotation", one.id))[1]
    assert (record["seconds"], record["annotation"]["label"]) == (12.5, "stroma")
    assert record["annotation"]["geometry"]["type"] == "Polygon"


def test_the_log_tells_of_regions_undo_and_reopening(
    edited: tuple[Study, Annotation, Annotation], run: Run, slide_id: str
) -> None:
    study, _, two = edited
    with Journal.open(study) as journal:
        journal.read_region(
            slide_id,
            Region(0, 10, 256, 256),
            Outcome.REJECTED,
            kind=RegionKind.CONTROL,
            model="unet",
            with_model=False,
            author="R2",
            seconds=8,
        )
        journal.undo(slide_id, author="R2")
        journal.undo(slide_id, author="R2")
        journal.redo(slide_id, author="R2")
        journal.note_time(slide_id, 20, author="R2")
        journal.sign_off(slide_id, author="R2")
        journal.reopen(slide_id, author="R2", comment="more")
    lines = [line.split(" R2 ")[1] for line in run("log", "--since", 4).splitlines()]
    assert lines == [
        f"read_region {slide_id} - - x 0-256 y 10-266 rejected control unet 8 s",
        f"read_region {slide_id} - - x 0-256 y 10-266 (undo)",
        f"restore {slide_id} {two.id} dcis (undo)",
        f"restore {slide_id} {two.id} dcis (redo)",
        f"reading_time {slide_id} - - 20 s",
        f"sign_off {slide_id} - -",
        f'reopen {slide_id} - - "more"',
    ]
    read, undone = _json(run("log", "--since", 4, "--json"))[:2]
    assert read["region"] == {"x": 0, "y": 10, "width": 256, "height": 256}
    assert (read["outcome"], read["kind"], read["model"]) == ("rejected", "control", "unet")
    assert undone["undoes"] == read["action"] != undone["action"]
    assert run("check").startswith("11 edits whole; 2 annotations are as the log says")


def test_a_past_state_is_shown_and_compared(
    edited: tuple[Study, Annotation, Annotation], run: Run, slide_id: str
) -> None:
    study, one, two = edited
    assert run("show", "--at", 2).splitlines() == [
        "2 annotations at edit 2",
        f"{slide_id} {one.id} dcis proposed R1 x 0-9 y 0-9",
        f"{slide_id} {two.id} dcis proposed R1 x 20-29 y 0-9",
    ]
    assert run("show", "--at", "2020-01-01").startswith("0 annotations at 2020-01-01T00:00:00")
    assert run("show", "--author", "R2").splitlines()[1:] == [
        f"{slide_id} {two.id} dcis validated R2 x 20-29 y 0-9"
    ]
    (state, _) = _json(run("show", "--json", "--slide", slide_id))
    assert (state["label"], state["status"]) == ("stroma", "corrected")
    assert run("diff", "--from", 2, "--to", 3).splitlines() == [
        "1 annotations differ between edit 2 and edit 3",
        f"class+status: {slide_id} {one.id} stroma corrected R1 x 0-9 y 0-9 (was dcis proposed R1)",
    ]
    assert run("diff", "--from", 4) == "0 annotations differ between edit 4 and now\n"
    with Journal.open(study) as journal:
        journal.correct(one.id, author="R2", label="vessel")
    (record, other) = _json(run("diff", "--json", "--authors", "R1", "R2"))
    assert (record["before"]["label"], record["after"]["label"]) == ("stroma", "vessel")
    assert other["changes"] == ["status"]


def test_a_time_without_a_zone_is_this_computers_and_is_said_with_one(
    edited: tuple[Study, Annotation, Annotation], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    time.tzset()
    try:
        said = run("show", "--at", "2020-01-01T12:00")
        assert said == "0 annotations at 2020-01-01T12:00:00+09:00\n"
        said = run("show", "--at", "2020-01-01T12:00Z")
        assert said == "0 annotations at 2020-01-01T21:00:00+09:00\n"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_was_deleted_comes_back(
    edited: tuple[Study, Annotation, Annotation], run: Run, slide_id: str
) -> None:
    study, one, two = edited
    said = run("delete", "--annotation", one.id, two.id, "--author", "R1", "--comment", "on ink")
    assert said == "2 annotations deleted; `restore` brings them back\n"
    assert run("show") == "0 annotations\n"
    said = run("restore", "--annotation", one.id, "--at", 4, "--author", "R2")
    assert said == "1 annotations are as they were at edit 4\n"
    said = run("restore", "--slide", slide_id, "--at", 2, "--author", "R2")
    assert said == "2 annotations are as they were at edit 2\n"
    assert "as edit 3 left it" in run("restore", "--edit", 3, "--author", "R2")
    with Journal.open(study) as journal:
        assert [a.status for a in journal.annotations()] == [Status.CORRECTED, Status.PROPOSED]
        assert [a.author for a in journal.annotations()] == ["R2", "R2"]


def test_a_colleagues_journal_is_merged(
    edited: tuple[Study, Annotation, Annotation], run: Run, tmp_path: Path, draw: Draw, fail: Run
) -> None:
    _, one, two = edited
    colleague = tmp_path / "journal of R3.sqlite"
    with Journal(colleague) as journal:
        journal.propose([one, two])
        journal.correct(one.id, author="R3", label="vessel")
        journal.validate([two.id], author="R3")
    told = run("merge", colleague).splitlines()
    assert told[:2] == ["2 edits new, 2 known before", "1 annotations judged alike on both sides"]
    assert told[2].startswith("conflict: here ")
    assert "there " in told[2]
    assert told[2].endswith("theirs is set aside: `restore --edit 5` takes it")
    assert "(set aside by a merge)" in run("log")
    (record,) = _json(run("merge", colleague, "--json"))
    assert record == {"new": 0, "known": 4, "conflicts": []}
    (checked,) = _json(run("check", "--json"))
    assert (checked["edits"], len(checked["conflicts"])) == (6, 1)
    assert run("check").startswith("6 edits whole; 2 annotations are as the log says\nconflict: ")
    run("restore", "--edit", 5, "--author", "R1")
    assert run("check") == "7 edits whole; 2 annotations are as the log says\n"
    with Journal(colleague) as journal:
        journal.propose([draw("strange", slide_id="F" * 16)])
    assert "not in this study; found FFFF" in fail("merge", colleague)
    assert "absent.sqlite: no journal lies there" in fail("merge", tmp_path / "absent.sqlite")
    run("check", "--rebuild")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "--at", "yesterday"], "--at: no moment; found 'yesterday'; allowed: e.g. 2026"),
        (["log", "--since", "noon"], "--since: no moment"),
        (["log", "--slide", "nope"], "no such slide"),
        (["diff", "--authors", "R1", "R2", "--to", "3"], "--to goes with --from"),
        (["delete", "--annotation", "0" * 32, "--author", "R1"], "unknown annotation"),
        (["delete", "--annotation", "0" * 32, "--author", "Jane Doe"], "short codes, never names"),
        (["restore", "--annotation", "0" * 32, "--author", "R1"], "restore what was when?"),
        (["restore", "--edit", "3", "--at", "2", "--author", "R1"], "restore what was when?"),
        (["restore", "--edit", "99", "--author", "R1"], "no edit of an annotation has this number"),
        (["comment", "--slide", "nope", "--author", "R1", "--text", "?"], "no such slide"),
    ],
)
def test_a_misuse_is_one_clear_line(
    edited: tuple[Study, Annotation, Annotation], fail: Run, words: list[str], expected: str
) -> None:
    assert expected in fail(*words)
    with Journal.open(edited[0]) as journal:
        assert len(list(journal.events())) == 4
