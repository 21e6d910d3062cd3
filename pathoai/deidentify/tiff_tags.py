"""Which TIFF tags a level keeps, and how each is made anew (TIFF 6.0, its supplements)."""

from __future__ import annotations

import struct

from pathoai.deidentify.icc_profile import without_history
from pathoai.deidentify.jpeg_markers import without_words
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.tiff_writer import LONG, RATIONAL, SHORT, UNDEFINED, Entry
from pathoai.errors import DeidentificationError
from pathoai.slide.tiff_directory import Directory

_JPEG_TABLES, _ICC = 347, 34675
_INTEGERS: dict[int, tuple[int, int]] = {
    254: (LONG, 1),  # NewSubfileType
    256: (LONG, 1),  # ImageWidth
    257: (LONG, 1),  # ImageLength
    258: (SHORT, 8),  # BitsPerSample
    259: (SHORT, 1),  # Compression
    262: (SHORT, 1),  # PhotometricInterpretation
    266: (SHORT, 1),  # FillOrder
    277: (SHORT, 1),  # SamplesPerPixel
    278: (LONG, 1),  # RowsPerStrip
    284: (SHORT, 1),  # PlanarConfiguration
    296: (SHORT, 1),  # ResolutionUnit
    317: (SHORT, 1),  # Predictor
    322: (LONG, 1),  # TileWidth
    323: (LONG, 1),  # TileLength
    338: (SHORT, 4),  # ExtraSamples
    339: (SHORT, 8),  # SampleFormat
    530: (SHORT, 2),  # YCbCrSubSampling
    531: (SHORT, 1),  # YCbCrPositioning
}
"""Tag → type it is written in, and the most values it may have."""
_RATIONALS = {282: 1, 283: 1, 529: 3, 532: 6}
"""Resolution, YCbCrCoefficients and ReferenceBlackWhite."""
DESCRIPTION = 270
WRITTEN_ANEW = {DESCRIPTION, 273, 279, 324, 325, 330}
"""Description, and where parts and directories lie."""
_LARGEST = {SHORT: 2**16, LONG: 2**32}
_MOST_BYTES = 4 * 2**20


def kept_entries(directory: Directory, left: LeftBehind) -> list[Entry]:
    """The tags of a level that may be written, but for those that are written anew.

    Raises:
        DamagedSlideError: A tag lies outside the file, or a stream in it is damaged.
        DeidentificationError: An allowed tag holds what it cannot mean.
    """
    entries = []
    for tag in directory.fields:
        if tag in _INTEGERS:
            entries.append(_integers(directory, tag))
        elif tag in _RATIONALS:
            entries.append(_rationals(directory, tag))
        elif tag == _JPEG_TABLES:
            entries.append(Entry(tag, UNDEFINED, without_words(directory.data(tag), left)))
        elif tag == _ICC:
            entries.append(Entry(tag, UNDEFINED, without_history(directory.data(tag), left)))
        elif tag not in WRITTEN_ANEW:
            drop_tag(directory, tag, left)
    return entries


def drop_tag(directory: Directory, tag: int, left: LeftBehind) -> None:
    """Leave a tag behind.

    Raises:
        DamagedSlideError: It lies outside the file.
    """
    field = directory.fields[tag]
    within = min(field.count, _MOST_BYTES, directory.source.size - field.offset)
    left.drop(f"TIFF tag {tag}", directory.source.read(field.offset, within))


def drop_picture(directory: Directory, kind: str, left: LeftBehind) -> None:
    """Leave a whole picture behind, with all its tags."""
    left.drop(kind)
    for tag in directory.fields:
        # Tables of a JPEG are numbers that may look like words, and the levels may share them.
        if tag not in {*_INTEGERS, *_RATIONALS, _JPEG_TABLES, *WRITTEN_ANEW} or tag == DESCRIPTION:
            drop_tag(directory, tag, left)


def _integers(directory: Directory, tag: int) -> Entry:
    kind, most = _INTEGERS[tag]
    if directory.count(tag) > most:
        raise _not_allowed(tag)
    values = directory.integers(tag).tolist()
    if any(not 0 <= value < _LARGEST[kind] for value in values):
        raise _not_allowed(tag)
    return Entry.numbers(tag, kind, values)


def _rationals(directory: Directory, tag: int) -> Entry:
    data = directory.data(tag)
    if directory.count(tag) > _RATIONALS[tag] or len(data) % 8:
        raise _not_allowed(tag)
    values = struct.unpack(f"{directory.source.byte_order}{len(data) // 4}I", data)
    return Entry.numbers(tag, RATIONAL, values)


def _not_allowed(tag: int) -> DeidentificationError:
    return DeidentificationError("a TIFF tag holds what it cannot mean", found=f"tag {tag}")
