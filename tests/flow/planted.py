"""Slides, tables and outlines in which all canaries are planted, as a hospital would have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from pathoai.slide.open_slide import open_slide
from pathoai.testing.canaries import CANARIES
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from tests.pathoai.deidentify.planted_dicom import write_planted_dicom
from tests.pathoai.deidentify.planted_mirax import write_planted_mirax
from tests.pathoai.deidentify.planted_ndpi import write_planted_ndpi
from tests.pathoai.deidentify.planted_tiff import OME_XML, write_planted_tiff

NAME, NUMBER, BIRTH, REMARK, NIR, BLOCK, DOCTOR, MAIL, SERIAL, BARCODE, PLACE, PHONE = CANARIES
_SIDE = 128


def planted_slides(folder: Path) -> list[Path]:
    """A slide of each kind: SVS, NDPI, MRXS, DICOM and OME-TIFF; none needs a real one."""
    home = folder / PLACE
    pixels = _tissue(folder)
    svs, ndpi = home / f"{NAME} {NUMBER}.svs", home / f"{NUMBER}.ndpi"
    mrxs, dicom, ome = home / f"{NAME}.mrxs", home / NIR, home / f"{NAME}.ome.tiff"
    planted_svs(svs, pixels)
    write_planted_ndpi(ndpi)
    write_planted_mirax(mrxs)
    write_planted_dicom(dicom, pixels)
    write_planted_tiff(ome, description=OME_XML)
    return [svs, ndpi, mrxs, dicom, ome]


def planted_svs(path: Path, pixels: NDArray[np.uint8] | None = None) -> Path:
    """An SVS whose name, tags, XMP, label and macro hold all of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = _tissue(path.parent) if pixels is None else pixels
    text = (
        f"Aperio Image Library v12\r\n512x448 [0,0 512x448] {PLACE}|AppMag = 20|MPP = 0.5"
        f"|User = {NAME}|Date = {BIRTH}|Filename = {NUMBER}|ScanScope ID = {SERIAL}"
        f"|Title = {BLOCK}|Note = {REMARK}"
    )
    xmp = f"<x:xmpmeta>{NIR} {PHONE} {BIRTH}</x:xmpmeta>".encode()
    tags: list[Any] = [(315, "s", 0, DOCTOR, True), (700, "B", len(xmp), xmp, True)]
    tags += [(33432, "s", 0, MAIL, True), (65000, "s", 0, BARCODE, True)]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            shown,
            tile=(_SIDE, _SIDE),
            compression="jpeg",
            photometric="ycbcr",
            description=text,
            software=f"Scanner {SERIAL}",
            extratags=tags,
            metadata=None,
        )
        for name in ("thumbnail", "label", "macro"):
            tiff.write(
                np.ascontiguousarray(shown[:60, :77]),
                photometric="rgb",
                description=f"Aperio Image Library v12\r\n{name} 77x60 {NIR}",
                compression="lzw",
                rowsperstrip=20,
                subfiletype={"label": 1, "macro": 9}.get(name, 0),
                metadata=None,
            )
    return path


def _tissue(folder: Path) -> NDArray[np.uint8]:
    clean = folder / "clean.svs"
    generate_slide(clean, SlideRecipe(width=512, height=448, mpp=0.5, seed=4))
    with open_slide(clean) as reader:
        pixels = np.ascontiguousarray(reader.read_region(0, 0, 0, reader.info.size))
    clean.unlink()
    return pixels


def planted_table(path: Path, slides: Sequence[Path]) -> Path:
    """A cohort file with one of them in every column that takes words."""
    columns = "slide,patient,block,centre,scanner,stain_batch,pair"
    row = f"{NAME},{BLOCK},{PLACE},{SERIAL},{BARCODE}"
    lines = [f"{slide},{row},{PHONE[:10]} {number}" for number, slide in enumerate(slides)]
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path


def planted_outlines(path: Path, **properties: object) -> Path:
    """QuPath's GeoJSON with canaries in everything but the outline and its class."""
    ring = [[10, 10], [200, 10], [200, 200], [10, 200], [10, 10]]
    feature = {
        "type": "Feature",
        "id": NIR,
        "name": PHONE,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "annotation",
            "name": NAME,
            "classification": {"name": "stroma", "color": [1, 2, 3]},
            "measurements": {f"{NAME} area": 2.0, "Nucleus: Area µm^2": 3.0},
            "metadata": {
                **{"patient": NUMBER, "reader": MAIL, "note": BLOCK, BARCODE: REMARK},
                **{"author": DOCTOR, "derived_from": f"model:{MAIL}"},
            },
            "reader": f"{DOCTOR} of {PLACE}, {SERIAL}, {BIRTH}",
            **properties,
        },
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path
