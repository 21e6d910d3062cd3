from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import shapely

from pathoai.cli.main import main
from pathoai.store.header import StoreHeader
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval, Criteria
from pathoai_annotations.package.approve import approve_package
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.tier import Tier
from tests.annotations.conftest import write_store

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


def _new_study(folder: Path, title: str) -> Study:
    path = folder / "study"
    Study.create(path, ontology="breast", title=title, publisher="University Hospital")
    sheet = path / "study.toml"  # older than the day on which objections were applied
    made = re.sub('(?m)^created = "[^T]*', 'created = "2026-01-01', sheet.read_text("utf8"))
    sheet.write_text(made, "utf8")
    return Study(path)


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
        study = _new_study(folder, "Outlines of tumours")
        _fill(study, folder)
        approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
        build_package(study, folder / "package", approval=approval)
        yield folder


_IN_THE_SECOND_SHARD = shapely.box(4090, 100.5, 4160, 200)
_ON_TOP = shapely.box(4100, 110, 4120, 130)
_BELOW = shapely.box(4100, 110, 4120.5, 130.25)


def _fill_tiled(study: Study, folder: Path) -> None:
    """Two slides that are tiled, with outlines of every kind, and one that is not."""
    first, second, untiled = _slides_of(study, folder, 3)
    for slide_id in (first, second):
        write_store(study, StoreHeader(slide_id, 4200, 1200, 0.25, 0.25, 0.5))
    shapes = [_IN_THE_SECOND_SHARD, _ON_TOP, _BELOW, shapely.Point(900.5, 30)]
    proposals = [
        _proposal(first, 0),
        _of_model(_proposal(first, 1, "dcis")),
        *(
            replace(_proposal(first, 10 + number, "stroma"), geometry=shape)
            for number, shape in enumerate(shapes)
        ),
        _of_model(_proposal(second, 3)),
        _proposal(second, 5, "nucleus_lymphocyte"),
        _proposal(untiled, 8),
    ]
    with Journal.open(study) as journal:
        journal.propose(proposals)
        journal.validate([one.id for one in proposals], author="R1")
        for slide_id in (first, second, untiled):
            journal.sign_off(slide_id, author="R1")


@pytest.fixture(scope="session")
def made_of_tiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same of three slides, of which two are tiled: their package holds derived forms."""
    folder = tmp_path_factory.mktemp("made-of-tiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = _new_study(folder, "Outlines of tumours")
        _fill_tiled(study, folder)
        approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
        build_package(study, folder / "package", approval=approval)
        yield folder


@pytest.fixture
def tiled_study(made_of_tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(made_of_tiled / "vault"))
    return Study(shutil.copytree(made_of_tiled / "study", tmp_path / "tiled-study"))


@pytest.fixture
def derived_package(made_of_tiled: Path, tmp_path: Path) -> Path:
    """A package of three slides, two of which have masks and DICOM files."""
    return shutil.copytree(made_of_tiled / "package", tmp_path / "derived-package")


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    return Study(shutil.copytree(made / "study", tmp_path / "study"))


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "package", tmp_path / "package")


@pytest.fixture
def approval() -> Approval:
    return Approval("DPO1", "data protection officer", date(2026, 1, 31))


_ON_TISSUE = {
    "invasive_nst": shapely.Polygon(
        [(200, 200), (900, 220), (800, 900), (220, 800)], [[(400, 400), (600, 400), (600, 600)]]
    ),
    "dcis": shapely.box(950, 700, 1300, 1000),
}


def _add_annotated_slide(study: Study, slide: Path) -> None:
    (row,) = study.add([IncomingSlide(slide, patient="P")])
    assert main(["tile", str(study.path)]) == 0
    drawn = [
        Annotation(uuid.UUID(int=n), row.slide_id, label, shape, Origin.PATHOLOGIST, "R1")
        for n, (label, shape) in enumerate(_ON_TISSUE.items(), start=1)
    ]
    with Journal.open(study) as journal:
        journal.propose(drawn)
        journal.validate([one.id for one in drawn], author="R1")
        journal.sign_off(row.slide_id, author="R1")


@pytest.fixture(scope="session")
def made_with_images(
    generated: tuple[Path, object], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a study of one tiled slide, its vault, and an approved open package."""
    folder = tmp_path_factory.mktemp("imaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = _new_study(folder, "Slides that may leave")
        _add_annotated_slide(study, generated[0])
        out = build_package(study, folder / "package", approval=IMAGED).path
        approve_package(out, OFFICER)
    return folder


IMAGED = Release(Tier.OPEN, "DM1", date(2026, 1, 31))
"""A release with the slides' images."""
OFFICER = Approval(
    "DPO1",
    "officer",
    date(2026, 1, 31),
    date.today(),
    Criteria("codes and no dates", "codes of this project alone", "tissue and outlines only"),
)


@pytest.fixture
def imaged(made_with_images: Path, tmp_path: Path) -> Path:
    """An approved open package of one slide with its image."""
    return shutil.copytree(made_with_images / "package", tmp_path / "imaged")


@pytest.fixture
def imaged_study(made_with_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The study that it was made of, with its vault."""
    vault = shutil.copytree(made_with_images / "vault", tmp_path / "imaged-vault")
    monkeypatch.setenv("PATHOAI_VAULT", str(vault))
    return Study(shutil.copytree(made_with_images / "study", tmp_path / "imaged-study"))
