"""What a blind reader has before him holds nothing of anybody else."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import shapely
import zarr
from shapely import box

from pathoai.cli.main import main
from pathoai.errors import AnnotationError, InvalidValueError, StoreError, StudyError
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import read_objects, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.readers.collect_room import collect_room
from pathoai_annotations.readers.progress import readings
from pathoai_annotations.readers.reading_room import make_room
from pathoai_annotations.readers.room_sheet import room_sheet, rooms_of
from tests.annotations.readers.read_study import LESION, MODEL, draw, made_study, read, slide_ids

Capture = pytest.CaptureFixture[str]
OTHER = "R2SECRET"
SHAPE = box(301, 57, 333, 91)
BLIND = {"R1": Role.BLIND_READER, OTHER: Role.BLIND_READER}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two blind readers; the other has drawn, in every place where a reader's work can lie."""
    made = made_study(tmp_path / "study", slides=3)
    ids = slide_ids(made)
    assign(made, ids[:2], BLIND)
    assign(made, ids[2:], {OTHER: Role.BLIND_READER})
    drawn = draw(made, ids[0], OTHER, [("cin3", SHAPE)])
    store = SlideStore(made.store_path(ids[0]))
    recipe = LabelRecipe(f"annotation/{OTHER}", [made.ontology["cin3"]], {"origin": "pathologist"})
    writer = LabelWriter(store.path, store.header, recipe)
    for shard in ((0, 0),):
        writer.class_map.write(shard, np.full(writer.class_map.array.shape, 5, np.uint8))
    writer.finish()
    (made.path / "queue").mkdir()
    made.queue_path("m").write_text(f"{ids[0]},{OTHER}", "utf8")
    made.provenance_path.mkdir(exist_ok=True)
    (made.provenance_path / "x.json").write_text(json.dumps([OTHER, str(drawn[0].id)]), "utf8")
    report = made.report_path(ids[0], f"prediction/{MODEL}")
    report.write_text(json.dumps({"regions": [OTHER, SHAPE.wkt]}), "utf8")
    return made


def _secrets(study: Study) -> list[bytes]:
    """Everything that tells of the other reader, and of where the study lies."""
    with Journal.open(study) as journal:
        drawn = [a for a in journal.annotations() if a.author == OTHER]
    assert drawn
    found = [OTHER, str(study.path), "assignments", "Jane"]
    for one in drawn:
        found += [str(one.id), one.id.hex, one.geometry.wkt, one.geometry.wkb_hex]
    raw = [text.encode() for text in found]
    raw += [shapely.to_wkb(one.geometry) for one in drawn]
    return raw


def _refuse_secrets(study: Study, room: Path) -> None:
    secrets = _secrets(study)
    files = [path for path in room.rglob("*") if path.is_file()]
    assert len(files) > 15
    for path in files:
        data = path.read_bytes()
        for secret in secrets:
            assert secret not in data, path
        assert not path.is_symlink()
        assert OTHER not in str(path.relative_to(room))


@pytest.mark.parametrize("model", ["", MODEL])
def test_no_file_tells_of_the_other_reader(study: Study, tmp_path: Path, model: str) -> None:
    room_path = tmp_path / "room"
    made = make_room(study, "R1", room_path, model=model)
    assert made.slides == tuple(slide_ids(study)[:2])
    _refuse_secrets(study, room_path)
    room = Study(room_path)
    assert [row.grade for row in room.cohort] == ["", ""]
    assert {row.patient_id for row in room.cohort} == {""}
    assert room.sheet.uuid != study.sheet.uuid
    labels = SlideStore(room.store_path(made.slides[0])).labels
    assert set(labels) == {"tissue", *([f"prediction/{MODEL}"] if model else [])}
    assert room.objects_path(made.slides[0], f"prediction/{MODEL}").exists() is bool(model)
    SlideStore(room.store_path(made.slides[0])).verify()
    with Journal.open(room) as journal:
        assert not list(journal.events())
    assert {path.name for path in room_path.iterdir()} == {
        *("study.toml", "cohort.csv", "stores", "readers", "journal.sqlite"),
        "audit_trail",
        ".journal.sqlite.lock",  # by which its writers queue
        *(["objects"] if model else []),
    }
    assert (room_path / ".journal.sqlite.lock").read_bytes() == b""


def test_no_command_tells_of_the_other_reader(
    study: Study, tmp_path: Path, capsys: Capture
) -> None:
    room_path = tmp_path / "room"
    make_room(study, "R1", room_path, model=MODEL)
    slide, room, out = slide_ids(study)[0], str(room_path), tmp_path / "out"
    out.mkdir()
    commands = [
        ["annotations", "log", room],
        ["annotations", "log", room, "--json"],
        ["annotations", "show", room],
        ["annotations", "diff", room, "--from", "0"],
        ["annotations", "check", room],
        ["annotations", "summary", room],
        ["annotations", "export", room, str(out / "a.geojson"), "--slide", slide],
        ["annotations", "propose", room, "--model", MODEL],
        ["annotations", "validate", room, "--author", "R1", "--slide", slide],
        ["readers", "status", room],
        ["readers", "sign-off", room, "--reader", "R1", "--slide", slide, "--grade", "cin2"],
        ["readers", "queue", room],
        ["agree", room],
        ["info", room],
        ["cohort", "show", room],
        ["queue", room, "--model", MODEL, "--reader", "R1"],
        ["annotations", "export", room, str(out / "b.geojson"), "--slide", slide],
        ["package", "build", room, str(out / "package")],
    ]
    told = ""
    for words in commands:
        with suppress(SystemExit):  # words that a command does not have tell nothing
            main(words)
        captured = capsys.readouterr()
        told += captured.out + captured.err
    assert "reading room of R1" in told
    for secret in _secrets(study):
        assert secret not in told.encode()
        for path in out.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes()
    _refuse_secrets(study, room_path)


def test_nothing_done_in_a_room_reaches_the_study(study: Study, tmp_path: Path) -> None:
    room_path = tmp_path / "room"
    make_room(study, "R1", room_path)
    slide = slide_ids(study)[0]
    before = {
        path: path.read_bytes() for path in study.store_path(slide).rglob("*") if path.is_file()
    }
    linked = sum(path.stat().st_nlink > 1 for path in before)
    assert linked >= 3
    store = SlideStore(Study(room_path).store_path(slide))
    recipe = LabelRecipe("quality/artefacts", [study.ontology["benign"]], {"origin": "method"})
    writer = LabelWriter(store.path, store.header, recipe)
    writer.class_map.write((0, 0), np.ones(writer.class_map.array.shape, np.uint8))
    writer.finish()
    shutil.rmtree(Study(room_path).store_path(slide))
    after = {p: p.read_bytes() for p in study.store_path(slide).rglob("*") if p.is_file()}
    assert after == before


def test_work_comes_back_once(study: Study, tmp_path: Path, capsys: Capture) -> None:
    slide = slide_ids(study)[0]
    make_room(study, "R1", tmp_path / "room", model=MODEL)
    room = Study(tmp_path / "room")
    read(room, slide, "R1", "cin2", outlines=[("cin2", LESION)], seconds=61)
    assert collect_room(study, room).new == 3  # proposed, validated, signed off
    assert collect_room(study, room).new == 0
    (one,) = [r for r in readings(study) if r.signed]
    assert (one.reader, one.role, one.slide_id) == ("R1", Role.BLIND_READER, slide)
    assert one.signed is not None
    assert (one.signed.grade, one.signed.seconds, one.signed.with_model) == ("cin2", 61, True)
    assert main(["readers", "status", str(study.path)]) == 0
    told = capsys.readouterr().out
    assert "1 of 5 signed off" in told
    assert "cin2" not in told  # the other has still to read it
    read(room, slide_ids(study)[1], "R1", "benign")
    assert collect_room(study, room).new == 1


def test_a_room_of_another_study_and_foreign_work_are_refused(study: Study, tmp_path: Path) -> None:
    other = made_study(tmp_path / "elsewhere" / "study", slides=1, title="Another")
    assign(other, slide_ids(other), {"R1": Role.BLIND_READER})
    make_room(other, "R1", tmp_path / "strange")
    with pytest.raises(StudyError, match="not one of this study's"):
        collect_room(study, Study(tmp_path / "strange"))
    with pytest.raises(StudyError, match="not a reading room"):
        collect_room(study, other)
    make_room(study, "R1", tmp_path / "room")
    room = Study(tmp_path / "room")
    draw(room, slide_ids(study)[0], "R7", [("lsil", SHAPE)])  # past the commands, by the journal
    with pytest.raises(StudyError, match="what its reader did not do"):
        collect_room(study, room)
    with pytest.raises(StudyError, match="room of a room"):
        make_room(room, "R1", tmp_path / "inner")


def test_a_blind_reader_is_sent_to_his_room_until_all_have_signed(
    study: Study, tmp_path: Path, capsys: Capture
) -> None:
    first, second, third = slide_ids(study)
    with pytest.raises(AnnotationError, match="does not work in the study"):
        check_may_work(study, "R1")
    check_may_work(study, "R1", [third])  # not his: nobody asked him to be blind to it
    check_may_work(study, "R5", [first])
    for words in (
        ["annotations", "validate", str(study.path), "--author", "R1", "--slide", first],
        ["readers", "sign-off", str(study.path), "--reader", "R1", "--slide", first],
        ["queue", str(study.path), "--model", MODEL, "--reader", "R1"],
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert "pathoai readers room STUDY --reader R1" in error, words
    for reader, name in (("R1", "one"), (OTHER, "two")):
        make_room(study, reader, tmp_path / name)
        read(Study(tmp_path / name), first, reader, "cin2")
        collect_room(study, Study(tmp_path / name))
    check_may_work(study, "R1", [first])
    with pytest.raises(AnnotationError, match="not all readers have signed off"):
        check_may_work(study, "R1", [first, second])
    room = Study(tmp_path / "one")
    with pytest.raises(AnnotationError, match="another reader's"):
        check_may_work(room, OTHER)
    assert room_sheet(study) is None
    assert [one.reader for one in rooms_of(study)] == ["R1", OTHER]


def test_a_room_that_cannot_be_made_leaves_nothing(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "room"
    with pytest.raises(StoreError, match="no prediction of this model"):
        make_room(study, "R1", target, model="other")
    with pytest.raises(StudyError, match="no slides to read"):
        make_room(study, "R8", target)
    with pytest.raises(StudyError, match="not this reader's"):
        make_room(study, "R1", target, slides=[slide_ids(study)[2]])
    with pytest.raises(InvalidValueError, match="cannot lie in"):
        make_room(study, "R1", study.path / "room")
    assert not target.exists()
    assert rooms_of(study) == ()
    for slide_id in slide_ids(study)[:2]:
        shutil.rmtree(study.store_path(slide_id))
    with pytest.raises(StudyError, match="none of the reader's slides is tiled"):
        make_room(study, "R1", target)


def test_a_model_that_names_what_readers_drew_stays_outside(study: Study, tmp_path: Path) -> None:
    path = study.objects_path(slide_ids(study)[0], f"prediction/{MODEL}")
    table = read_objects(path)
    named = type(table)(
        table.geometry,
        table.class_index,
        table.probability,
        table.area_um2,
        table.source,
        {"annotation_id": np.array(["x"], object)},
    )
    write_objects(path, named)
    with pytest.raises(StoreError, match="names what readers drew"):
        make_room(study, "R1", tmp_path / "room", model=MODEL)
    assert not (tmp_path / "room").exists()


def test_what_other_programs_copied_into_the_description_stays_outside(
    study: Study, tmp_path: Path
) -> None:
    for slide_id in slide_ids(study)[:2]:
        with pytest.warns(UserWarning, match="onsolidated metadata"):
            zarr.consolidate_metadata(study.store_path(slide_id))
    assert OTHER in (study.store_path(slide_ids(study)[0]) / "zarr.json").read_text("utf8")
    make_room(study, "R1", tmp_path / "room")
    _refuse_secrets(study, tmp_path / "room")
