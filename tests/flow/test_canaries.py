"""Twelve identifiers planted in every way in: none is in anything that comes out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tifffile
import torch

from pathoai.cli.main import main
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.ontology import load_ontology
from pathoai.slide.open_slide import open_slide
from pathoai.study.study import Study
from pathoai.testing.canaries import CANARIES, canaries_in
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.journal.journal import Journal

_SIDE = 128
_NAME, _NUMBER, _BIRTH, _DAY, _NIR, _BLOCK, _DOCTOR, _MAIL, _SERIAL, _BAR, _PLACE, _PHONE = CANARIES


def _planted_slide(folder: Path) -> Path:
    """A slide whose folder, name, tags, XMP, label and macro hold all of them."""
    clean = folder / "clean.svs"
    generate_slide(clean, SlideRecipe(width=700, height=600, mpp=0.5, seed=2))
    with open_slide(clean) as reader:
        pixels = np.ascontiguousarray(reader.read_region(0, 0, 0, reader.info.size))
    clean.unlink()
    path = folder / _PLACE / f"{_NAME} {_NUMBER}.svs"
    path.parent.mkdir()
    text = (
        f"Aperio Image Library v12\r\n700x600 [0,0 700x600] {_PLACE}|AppMag = 20|MPP = 0.5"
        f"|User = {_NAME}|Date = {_DAY}|Filename = {_NUMBER}|ScanScope ID = {_SERIAL}"
        f"|Title = {_BLOCK}"
    )
    xmp = f"<x:xmpmeta>{_NIR} {_PHONE} {_BIRTH}</x:xmpmeta>".encode()
    tags = [(315, "s", 0, _DOCTOR, True), (700, "B", len(xmp), xmp, True)]
    tags += [(33432, "s", 0, _MAIL, True), (65000, "s", 0, _BAR, True)]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            pixels,
            tile=(_SIDE, _SIDE),
            compression="jpeg",
            photometric="ycbcr",
            description=text,
            software=f"Scanner {_SERIAL}",
            extratags=tags,
            metadata=None,
        )
        for name in ("thumbnail", "label", "macro"):
            tiff.write(
                np.ascontiguousarray(pixels[:60, :77]),
                photometric="rgb",
                description=f"Aperio Image Library v12\r\n{name} 77x60 {_NIR}",
                compression="lzw",
                rowsperstrip=20,
                subfiletype={"label": 1, "macro": 9}.get(name, 0),
                metadata=None,
            )
    return path


def _model(folder: Path) -> None:
    torch.manual_seed(3)
    arguments, ontology = {"width": 2, "depth": 1}, load_ontology("breast")
    classes = ("background", ontology.classes[1].key)
    described = ModelBundle(
        "tiny", "unet", arguments, "breast", ontology.version, classes, TileSpec(64, 0.5)
    )
    save_bundle(folder, described, build_network("unet", classes=2, arguments=arguments))


def _planted_outlines(path: Path) -> Path:
    ring = [[10, 10], [200, 10], [200, 200], [10, 200], [10, 10]]
    properties = {
        "objectType": "annotation",
        "name": _NAME,
        "classification": {"name": "stroma", "color": [1, 2, 3]},
        "metadata": {"patient": _NUMBER, "reader": _MAIL, "note": _BLOCK},
    }
    feature = {
        "type": "Feature",
        "id": "00000000-0000-4000-8000-000000000001",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def _pathoai(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def test_none_of_them_comes_out(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    slide = _planted_slide(source)
    table = source / f"{_PLACE}.csv"
    table.write_text(f"slide,patient,block,centre\n{slide},{_NAME},{_BLOCK},{_PLACE}\n")
    outlines = _planted_outlines(source / f"{_NAME}.geojson")
    planted = {found.rsplit(": ", 1)[1] for found in canaries_in(source)}
    assert planted == set(CANARIES)  # the search finds each of them where it was planted

    made = tmp_path / "out"
    study = made / "study"
    _pathoai("init", study, "--ontology", "breast", "--title", "Outlines")
    _pathoai("add", study, table)
    _pathoai("deidentify", slide, made / "copies", "--study", study)
    _pathoai("tile", study, "--device", "cpu")
    _model(tmp_path / "tiny")
    shutil.copytree(tmp_path / "tiny", Study(study).model_path("tiny"))
    _pathoai("predict", study, "--model", "tiny", "--device", "cpu")
    _pathoai("annotations", "import", study, outlines, "--author", "R1")
    _pathoai("annotations", "validate", study, "--author", "R1")
    (row,) = Study(study).cohort
    with Journal.open(Study(study)) as journal:
        journal.sign_off(row.slide_id, author="R1")
    who = ("--approved-by", "DPO1", "--role", "officer", "--opposition-date", "2026-01-31")
    _pathoai("package", "build", study, made / "package", *who)

    assert len([p for p in made.rglob("*") if p.is_file()]) > 50
    assert canaries_in(made) == []
