"""A small study that people can read: tiled slides, a prediction, and outlines that two drew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely import box
from shapely.geometry.base import BaseGeometry

from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.sign_off import sign_off_slide

MODEL = "lesions"
LESION = box(100, 40, 180, 120)


def made_study(folder: Path, *, slides: int = 4, title: str = "A study") -> Study:
    """A cervix study of tiled slides, two of each patient, whose true grades are in the cohort."""
    study = Study.create(folder, ontology="cervix", title=title)
    incoming = []
    for number in range(slides):
        source = folder.parent / f"DOE_Jane_{title}_{number}.svs"
        source.write_bytes(f"no pixels are needed {title} {number}".encode())
        incoming.append(
            IncomingSlide(source, patient=f"Jane Doe {number // 2}", centre="here", grade="hsil")
        )
    for row in study.add(incoming):
        _tile(study, row.slide_id)
        _predict(study, row.slide_id)
    return study


def slide_ids(study: Study) -> list[str]:
    """Codes of the slides, in the cohort's order."""
    return [row.slide_id for row in study.cohort]


def _tile(study: Study, slide_id: str) -> None:
    header = StoreHeader(slide_id, 512, 256, 0.25, 0.25, 0.5)
    path = study.store_path(slide_id)
    image = ImageWriter(path, header)
    _write(image.finest, np.full(image.finest.array.shape, 200, np.uint8))
    tissue_class = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    tissue = LabelWriter(path, header, LabelRecipe("tissue", (tissue_class,), {"origin": "method"}))
    _write(tissue.class_map, np.ones(tissue.class_map.array.shape, np.uint8))
    tissue.finish()
    image.finish()


def _predict(study: Study, slide_id: str) -> None:
    store = SlideStore(study.store_path(slide_id))
    hsil = study.ontology["hsil"]
    about = {"origin": "model", "status": "proposed", "model": MODEL, "model_sha256": "ab" * 32}
    writer = LabelWriter(
        store.path, store.header, LabelRecipe(f"prediction/{MODEL}", [hsil], about)
    )
    _write(writer.class_map, np.full(writer.class_map.array.shape, hsil.index, np.uint8))
    writer.finish()
    column = np.empty(1, object)
    column[0] = LESION
    table = ObjectTable(
        column,
        np.array([hsil.index], np.uint8),
        np.array([0.9], np.float32),
        np.array([400], np.float32),
        about,
    )
    write_objects(study.objects_path(slide_id, f"prediction/{MODEL}"), table)
    worst = {"grade": hsil.grade, "classes": ["hsil"], "mm2": 0.0004}
    report = {"summary": {"grades": {"worst": worst}}}
    study.report_path(slide_id, f"prediction/{MODEL}").write_text(json.dumps(report), "utf8")


def _write(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    for shard in shards_of(writer.array.shape):
        rows, columns = shard_slices(shard, writer.array.shape)
        writer.write(shard, np.ascontiguousarray(pixels[..., rows, columns]))


def draw(
    study: Study, slide_id: str, reader: str, outlines: Sequence[tuple[str, BaseGeometry]]
) -> list[Annotation]:
    """Outlines that a reader draws and stands behind."""
    drawn = [
        Annotation(
            deterministic_id(slide_id, reader, label, shape.wkt),
            slide_id,
            label,
            shape,
            Origin.PATHOLOGIST,
            reader,
        )
        for label, shape in outlines
    ]
    with Journal.open(study) as journal:
        journal.propose(drawn)
        for one in drawn:
            journal.validate([one.id], author=reader, seconds=7.0)
    return drawn


def read(
    study: Study,
    slide_id: str,
    reader: str,
    grade: str,
    *,
    outlines: Sequence[tuple[str, BaseGeometry]] = (),
    seconds: float | None = None,
    with_model: bool = False,
) -> None:
    """A reader outlines, and signs off."""
    draw(study, slide_id, reader, outlines)
    sign_off_slide(
        study, slide_id, reader=reader, grade=grade, seconds=seconds, with_model=with_model
    )
