"""What a reading room says of itself, and what its study remembers of it."""

from __future__ import annotations

import csv
import io
import tomllib
from dataclasses import asdict, dataclass, fields

import tomli_w

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError
from pathoai.study.cohort import opened_table
from pathoai.study.study import Study
from pathoai_annotations.annotation import check_author
from pathoai_annotations.readers.tables_lock import tables_locked

SHEET, TABLE = "room.toml", "rooms.csv"


@dataclass(frozen=True, slots=True)
class RoomSheet:
    """A reading room: a study of its own that holds what one reader may see.

    Args:
        room: UUID of the room.
        study: UUID of the study whose slides it holds; no path leads back there.
        reader: Code of who reads in it.
        model: Name of the model whose predictions lie in it; empty where the reader sees none.
        created: ISO 8601, UTC.
    """

    room: str
    study: str
    reader: str
    model: str
    created: str

    def __post_init__(self) -> None:
        """Refuse names."""
        check_author(self.reader)

    def write(self, room: Study) -> None:
        """Put it into the room."""
        room.readers_path.mkdir(exist_ok=True)
        write_text_atomically(room.readers_path / SHEET, tomli_w.dumps({"room": asdict(self)}))


def room_sheet(study: Study) -> RoomSheet | None:
    """The sheet of a room; None for a study that is none.

    Raises:
        StudyError: The sheet is damaged.
    """
    path = study.readers_path / SHEET
    if not path.is_file():
        return None
    try:
        return RoomSheet(**tomllib.loads(path.read_text("utf8"))["room"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise StudyError("malformed sheet of a reading room", where=SHEET, found=error) from error


def rooms_of(study: Study) -> tuple[RoomSheet, ...]:
    """The rooms that were made from a study, oldest first.

    Raises:
        StudyError: The list is damaged.
    """
    path = study.readers_path / TABLE
    if not path.is_file():
        return ()
    try:
        with opened_table(path, TABLE, encoding="utf8") as file:
            return tuple(RoomSheet(**row) for row in csv.DictReader(file))
    except (TypeError, ValueError) as error:
        raise StudyError("malformed list of reading rooms", where=TABLE, found=error) from error


def note_room(study: Study, sheet: RoomSheet) -> None:
    """Add a room to the list of a study's rooms."""
    with tables_locked(study):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [f.name for f in fields(RoomSheet)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in (*rooms_of(study), sheet))
        write_text_atomically(study.readers_path / TABLE, text.getvalue())
