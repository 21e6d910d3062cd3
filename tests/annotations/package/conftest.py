from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import shapely

from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package

_WITH_HOLE = shapely.Polygon(
    [(100.25, 100), (400, 100), (400, 380.5), (100.25, 380.5)],
    [[(200, 200), (250, 200), (250, 260), (200, 260)]],
)
_TWO_PARTS = shapely.MultiPolygon(
    [shapely.box(500, 500, 540, 560), shapely.box(600, 500, 640, 555)]
)


def _proposal(slide_id: str, number: int, label: str = "invasive_nst") -> Annotation:
    shape = (_WITH_HOLE, _TWO_PARTS, shapely.box(10, 10 + number, 60, 70 + number))[number % 3]
    return Annotation(uuid.UUID(int=number + 1), slide_id, label, shape, Origin.PATHOLOGIST, "R1")


def _slides_of(study: Study, folder: Path, count: int) -> list[str]:
    files = [folder / f"slide {number}.tif" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 64)
    return [row.slide_id for row in study.add([IncomingSlide(file, patient="P") for file in files])]


def _of_model(annotation: Annotation) -> Annotation:
    return replace(
        annotation,
        origin=Origin.MODEL,
        author="unet",
        confidence=0.75,
        derived_from="model:unet@0123abcd",
    )


def _fill(study: Study, folder: Path) -> None:
    first, second = _slides_of(study, folder, 2)
    proposals = [
        _proposal(first, 0),
        _of_model(_proposal(first, 1, "dcis")),
        _proposal(first, 2),
        _of_model(_proposal(second, 3)),
        _of_model(_proposal(second, 4)),
    ]
    with Journal.open(study) as journal:
        journal.propose(proposals)
        journal.validate([proposals[0].id, proposals[3].id], author="R1")
        journal.correct(proposals[1].id, author="R2", geometry=shapely.box(500, 500, 640, 560))
        journal.reject([proposals[4].id], author="R2")
        for slide_id, reader in ((first, "R1"), (first, "R2"), (second, "R1")):
            journal.sign_off(slide_id, author=reader)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study and its package, made once; tests work on copies.

    The study has two slides: three annotations of record by two readers, one proposal, and one
    that was rejected.
    """
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = Study.create(
            folder / "study",
            ontology="breast",
            title="Outlines of tumours",
            publisher="University Hospital",
        )
        _fill(study, folder)
        approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
        build_package(study, folder / "package", approval=approval)
        yield folder


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    return Study(shutil.copytree(made / "study", tmp_path / "study"))


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "package", tmp_path / "package")


@pytest.fixture
def approval() -> Approval:
    return Approval("DPO1", "data protection officer", date(2026, 1, 31))
