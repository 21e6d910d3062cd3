"""3DHISTECH MIRAX (MRXS): tiles and where they were taken, and nothing else of the folder."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from pathoai.deidentify.jpeg_markers import without_words
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.mirax_index import VERSION, Blob, MiraxIndex, write_index
from pathoai.deidentify.mirax_sheet import INDEX, SHEET, MiraxSheet, data_name
from pathoai.deidentify.openslide_hash import hashes, tiles_in
from pathoai.deidentify.rewritten import NewIdentity, Rewritten, drop_names
from pathoai.errors import DamagedSlideError, DeidentificationError, SlideError
from pathoai.slide.jpeg_stream import START

__all__ = ["hashes", "rewrite", "tiles_in"]

_LARGEST_TILE, _LARGEST_FILE = 64 * 2**20, 2**31 - 1
_POSITION_BYTES = 9
_NAMES = {SHEET, INDEX}
"""Of files that every such slide has."""
_MOST_POSITIONS = 10**7
Tick = Callable[[], None]


def rewrite(
    source: Path, folder: Path, who: NewIdentity, left: LeftBehind, tick: Tick
) -> Rewritten:
    """Write the tiles of all zoom levels, and the camera's positions.

    Args:
        source: The ``.mrxs`` file, beside the folder of its name.
        folder: Empty; a new ``.mrxs`` and its folder are written into it.
        who: The slide's new identity.
        left: Told of what is not copied.
        tick: Called for each block whose pixels were hashed.

    Raises:
        DamagedSlideError: It is damaged or cut short.
        DeidentificationError: It holds what is not allowed and cannot be left behind.
    """
    old, new = source.with_suffix(""), folder / who.code
    new.mkdir()
    drop_names(source, left, [path for path in old.iterdir() if path.name not in _NAMES])
    _drop_blob("MRXS file", source.read_bytes(), left)
    sheet = MiraxSheet(old)
    sheet.drop_words(left)
    copy = _Copy(old, new, sheet.data_files, left)
    with closing(MiraxIndex(_within(old, sheet.index), sheet.slide_id)) as index:
        levels = [
            [copy.tile(blob) for blob in index.pictures(number)] for number in range(sheet.levels)
        ]
        positions = _positions(sheet, index, copy)
        _drop_others(sheet, index, copy, left)
    slide_id = who.hexadecimal(sheet.slide_id, len(sheet.slide_id))
    write_index(new / INDEX, slide_id, levels, positions)
    text = sheet.anew(slide_id, files=len(sheet.data_files), positions=bool(positions))
    (new / SHEET).write_text(text, "utf8", newline="")
    for number in range(len(sheet.data_files)):
        (new / data_name(number)).touch()
    path = folder / f"{who.code}.mrxs"
    path.touch()
    words = (text, INDEX, VERSION.decode(), *map(data_name, range(len(sheet.data_files))))
    return Rewritten(path, "mirax", hashes(source, tick), words)


@dataclass(frozen=True, eq=False)
class _Copy:
    """Copies bytes from data files into new ones of the same numbers.

    Args:
        old: The source's folder.
        new: The copy's.
        names: Of the source's data files.
        left: Told of what is not copied.
    """

    old: Path
    new: Path
    names: list[str]
    left: LeftBehind = field(repr=False)

    def tile(self, blob: Blob) -> Blob:
        """Copy a tile without its words."""
        return self.put(blob, without_words(self.read(blob), self.left))

    def put(self, blob: Blob, data: bytes) -> Blob:
        """Append data to the file of a blob."""
        with (self.new / data_name(blob.file)).open("ab") as file:
            offset = file.tell()
            if offset + len(data) > _LARGEST_FILE:
                raise DeidentificationError("a data file of the copy would exceed 2 GiB")
            file.write(data)
        return replace(blob, offset=offset, size=len(data))

    def read(self, blob: Blob) -> bytes:
        """The bytes of a blob.

        Raises:
            DamagedSlideError: They lie outside the file, or there is no such file.
        """
        if not (0 <= blob.file < len(self.names) and 0 < blob.size <= _LARGEST_TILE):
            raise _damaged()
        with _within(self.old, self.names[blob.file]).open("rb") as file:
            file.seek(max(blob.offset, 0))
            data = file.read(blob.size)
        if len(data) < blob.size:
            raise _damaged()
        return data


def _within(folder: Path, name: str) -> Path:
    """A file that the sheet names; it may not lead out of the slide's folder."""
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise _damaged()
    return path


def _positions(sheet: MiraxSheet, index: MiraxIndex, copy: _Copy) -> list[Blob]:
    """Where the camera stood: a flag and two numbers for each place, plainly."""
    found = sheet.positions
    blob = None if found is None else index.beside(found[0])
    if found is None or blob is None:
        return []
    size = _POSITION_BYTES * sheet.camera_positions
    data = copy.read(blob)
    if found[1]:
        try:
            data = zlib.decompressobj().decompress(data, size + 1)
        except zlib.error:
            raise _damaged() from None
    if sheet.camera_positions > _MOST_POSITIONS or len(data) != size:
        raise _damaged()
    if any(flag > 1 for flag in data[::_POSITION_BYTES]):
        raise DeidentificationError("the positions of the MIRAX slide hold unknown flags")
    return [copy.put(blob, data)]


def _drop_others(sheet: MiraxSheet, index: MiraxIndex, copy: _Copy, left: LeftBehind) -> None:
    """Label, macro, thumbnail, and what else lies beside the tiles."""
    kept = sheet.positions
    for number in range(len(sheet.beside)):
        if kept is None or number != kept[0]:
            blob = index.beside(number)
            data = b"" if blob is None else copy.read(blob)
            _drop_blob("MIRAX record beside the tiles", data, left)


def _drop_blob(kind: str, data: bytes, left: LeftBehind) -> None:
    """Of a JPEG only its words are looked for later: its tables are those of the tiles."""
    if not data.startswith(START):
        left.drop(kind, data)
        return
    left.drop(kind)
    try:
        without_words(data, left)
    except SlideError:
        # A label that nobody can decode is left behind all the same.
        left.drop("damaged JPEG")


def _damaged() -> DamagedSlideError:
    return DamagedSlideError(
        "a part of the MIRAX slide is absent or cut short",
        remedy="copy it again, with the whole folder of its name",
    )
