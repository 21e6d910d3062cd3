"""The reading room: a study of its own that holds only what one reader may see.

A reader is blind by construction: what others drew, graded or wrote is not hidden from the room but
absent from it. It holds the slides' pixels, tissue and artefacts, the classes, an empty journal,
and, where asked for, what one model predicted. No path leads from it to the study, so it can be
taken to another computer.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomli_w

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StoreError, StudyError
from pathoai.provenance import ProvenanceRecord, utc_now
from pathoai.store.new_target import new_target
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import READING, AssignmentTable
from pathoai_annotations.readers.room_sheet import RoomSheet, note_room, room_sheet
from pathoai_annotations.readers.room_store import link, link_store

_STUDY_SHEET, _COHORT = "study.toml", "cohort.csv"
_KINDS_OF_TABLE = ("prediction", "grade")
_OF_ANNOTATIONS = "annotation_id"
"""The column of a model's table whose outlines are annotations: what readers drew."""


@dataclass(frozen=True, slots=True)
class MadeRoom:
    """What a room holds.

    Args:
        sheet: Of the room.
        slides: Codes of its slides.
        left_out: Assigned slides that are not tiled yet.
    """

    sheet: RoomSheet
    slides: tuple[str, ...]
    left_out: tuple[str, ...]


def make_room(
    study: Study, reader: str, target: Path, *, model: str = "", slides: Sequence[str] = ()
) -> MadeRoom:
    """Make a reading room of the slides that a reader is to read.

    Args:
        study: The study.
        reader: Code of the reader.
        target: The room's folder, outside the study; nothing may lie there yet.
        model: Name of the model whose predictions the reader sees; none where empty.
        slides: Only these of the reader's slides; all where empty.

    Raises:
        InvalidValueError: Something lies at the target, or it lies in the study.
        StudyError: The reader has no slides, or none of them is tiled, or the study is itself a
            room.
        StoreError: A slide has no prediction of the model, or the model's regions are what readers
            drew.
    """
    if room_sheet(study) is not None:
        raise StudyError("a room of a room: make it from the study itself", where=study.path.name)
    rows = _rows(study, reader, slides)
    ready = [row for row in rows if is_complete(study.store_path(row.slide_id))]
    if not ready:
        raise StudyError(
            "none of the reader's slides is tiled",
            where=reader,
            found=f"{len(rows)} slides",
            remedy="run `pathoai tile STUDY`",
        )
    started = utc_now()
    sheet = RoomSheet(str(uuid.uuid4()), study.sheet.uuid, reader, model, started)
    with new_target(target, outside=study.path) as folder:
        _furnish(study, folder, sheet, ready)
    note_room(study, sheet)
    _record(study, sheet, [row.slide_id for row in ready])
    left_out = tuple(row.slide_id for row in rows if row not in ready)
    return MadeRoom(sheet, tuple(row.slide_id for row in ready), left_out)


def _rows(study: Study, reader: str, slides: Sequence[str]) -> list[CohortRow]:
    roles = AssignmentTable(study).of_reader(reader)
    own = [row for row in study.cohort if roles.get(row.slide_id) in READING]
    for slide_id in slides:
        if slide_id not in {row.slide_id for row in own}:
            raise StudyError("the slide is not this reader's", where=reader, found=slide_id)
    if not own:
        raise StudyError(
            "the reader has no slides to read",
            where=reader,
            remedy="run `pathoai readers assign STUDY --readers CODE` first",
        )
    return [row for row in own if not slides or row.slide_id in slides]


def _furnish(study: Study, folder: Path, sheet: RoomSheet, rows: Sequence[CohortRow]) -> None:
    folder.mkdir()
    own = replace(
        study.sheet,
        uuid=sheet.room,
        journal="",  # a file of its own, wherever the study's lies
        title=f"{study.sheet.title}: reading room {sheet.reader}",
        created=sheet.created,
    )
    ontology = study.path / own.ontology
    if ontology.suffix == ".yaml":
        shutil.copyfile(ontology, folder / ontology.name)
    write_text_atomically(folder / _STUDY_SHEET, tomli_w.dumps({"study": asdict(own)}))
    Cohort(map(_bare, rows)).write(folder / _COHORT)
    room = Study(folder)
    models = (sheet.model,) if sheet.model else ()
    for row in rows:
        source = SlideStore(study.store_path(row.slide_id))
        link_store(source, room.store_path(row.slide_id), models=models)
        for model in models:
            _link_tables(study, room, row.slide_id, model)
    sheet.write(room)
    Journal.open(room).close()


def _bare(row: CohortRow) -> CohortRow:
    """What reading needs: neither the grade nor whose slide it is, of which centre or block."""
    return CohortRow(row.slide_id, stain=row.stain, mpp=row.mpp, scanner=row.scanner)


def _link_tables(study: Study, room: Study, slide_id: str, model: str) -> None:
    for kind in _KINDS_OF_TABLE:
        source = study.objects_path(slide_id, f"{kind}/{model}")
        if not source.is_file():
            continue
        if _OF_ANNOTATIONS in read_objects(source).columns:
            raise StoreError(
                "this model names what readers drew: its table would show their outlines",
                where=slide_id,
                found=model,
                remedy="choose a model that finds its own objects or regions",
            )
        link(source, room.objects_path(slide_id, f"{kind}/{model}"))


def _record(study: Study, sheet: RoomSheet, slide_ids: Sequence[str]) -> None:
    stores = {i: SlideStore(study.store_path(i)).identity for i in slide_ids}
    ProvenanceRecord(
        "readers room",
        {"room": sheet.room, "reader": sheet.reader, "model": sheet.model},
        {f"store/{i}": identity for i, identity in stores.items()},
        {},
        sheet.created,
        utc_now(),
    ).write(study.provenance_path)
