"""Small pictures of slides: annotations where they lie, and pixels alone."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image, PngImagePlugin

from pathoai.geometry import Grid, Size
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.package.pictures import SmallPicture, draw_picture
from pathoai_annotations.package.plain_png import plain_png_size

_CODE = "0123456789ABCDEF"
_WHITE = SmallPicture(np.full((80, 100, 3), 255, np.uint8), Grid(Size(100, 80), 10, 10), None)


def _drawn(label: str, geometry: object) -> Annotation:
    identity = deterministic_id(_CODE, label)
    return Annotation(identity, _CODE, label, geometry, Origin.PATHOLOGIST, "R1")


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_an_outline_lies_where_it_lay_and_its_hole_is_open() -> None:
    ontology = load_ontology("breast")
    ring = shapely.box(200, 100, 800, 700) - shapely.box(400, 300, 600, 500)
    small = shapely.box(450, 350, 550, 450)
    pixels = _pixels(
        draw_picture(_WHITE, [_drawn("dcis", small), _drawn("invasive_nst", ring)], ontology)
    )
    edge = np.array(ontology["invasive_nst"].rgb)
    assert (pixels[40, 20] == edge).all()
    assert (pixels[5, 5] == 255).all()
    faint = pixels[20, 30]
    assert (faint != 255).any()
    assert (faint != edge).any()
    assert (pixels[32, 42] == 255).all()
    assert (pixels[40, 45] == ontology["dcis"].rgb).all()


@pytest.mark.parametrize(
    "shape", [shapely.Point(505, 405), shapely.LineString([(100, 405), (900, 405)])]
)
def test_points_and_lines_are_seen(shape: object) -> None:
    ontology = load_ontology("breast")
    pixels = _pixels(draw_picture(_WHITE, [_drawn("dcis", shape)], ontology))
    assert (pixels[40, 50] == ontology["dcis"].rgb).all()


def test_the_scale_is_drawn_where_it_is_known() -> None:
    known = SmallPicture(_WHITE.pixels, _WHITE.grid, 10.0)
    ontology = load_ontology("breast")
    assert (_pixels(draw_picture(known, [], ontology)) == 0).all(axis=2).any()
    assert (_pixels(draw_picture(_WHITE, [], ontology)) == 255).all()


def test_the_picture_of_a_package_is_small_and_plain(imaged: Path) -> None:
    (picture,) = (imaged / "data/pictures").iterdir()
    assert plain_png_size(picture.read_bytes(), longest_side=512) == (512, 410)


def _png(**options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (9, 8, 7)).save(file, "png", **options)
    return file.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return b"".join(
        (
            struct.pack(">I", len(content)),
            kind + content,
            struct.pack(">I", zlib.crc32(kind + content)),
        )
    )


def _text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "of whom it is")
    return _png(pnginfo=info)


def _more_than_rows() -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    rows = _chunk(b"IDAT", zlib.compress(bytes(4)) + b"of whom it is")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + rows + _chunk(b"IEND", b"")


def test_a_plain_picture_is_one() -> None:
    assert plain_png_size(_png(), longest_side=8) == (8, 6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        _png()[:-3],
        _png() + b"more",
        _png(dpi=(72, 72)),
        _png(icc_profile=b"profile"),
        _text(),
        _more_than_rows(),
        _png().replace(b"IDAT", b"IDAX"),
    ],
)
def test_anything_else_is_none(data: bytes) -> None:
    assert plain_png_size(data, longest_side=8) is None


def test_a_large_picture_is_none() -> None:
    assert plain_png_size(_png(), longest_side=7) is None
