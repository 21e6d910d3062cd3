"""A study from a package: for whoever got the package and nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import PackageError
from pathoai.ontology import Ontology
from pathoai.privacy.link_table import LinkTable
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.replay import replay
from pathoai_annotations.package import layout
from pathoai_annotations.package.check_images import read_reports
from pathoai_annotations.package.crate_reader import Crate
from pathoai_annotations.package.csv_file import Row, read_table
from pathoai_annotations.package.event_log import read_event_log
from pathoai_annotations.package.sign_offs import read_sign_offs
from pathoai_annotations.package.table import SLIDES
from pathoai_annotations.package.verify import content_findings, require_package
from pathoai_annotations.package.vocabulary import read_classes

_CLASSES = "classes-of-package.yaml"
# Never used: a package's GeoJSON says who stands behind each annotation.
_NOBODY = "nobody"


def open_package(package: Path, study_path: Path) -> Study:
    """Make a study of a package: its slides by code, its classes, and all edits behind it.

    Annotations keep their UUIDs, outlines, classes, authors, times and origin, and slides their
    sign-offs. Images that lie in the package are found where it lies. No slide can be added: the
    key of the codes stayed behind.

    Args:
        package: The folder of the package.
        study_path: A new or empty folder.

    Returns:
        The study.

    Raises:
        MissingFileError: No package lies there.
        PackageError: What lies there is no package, or does not verify; it need not be approved.
        StudyError: Something lies where the study shall be.
    """
    require_package(package)
    findings, _ = content_findings(package)
    if findings:
        raise PackageError(
            "a package that does not verify is not opened",
            where=findings[0].where,
            found=f"{findings[0].what}, and {len(findings) - 1} other findings",
            remedy=findings[0].remedy,
        )
    if study_path.exists() and (not study_path.is_dir() or any(study_path.iterdir())):
        raise PackageError(
            "the place of the study is taken", where=study_path.name, remedy="choose another folder"
        )
    study = _new_study(package, study_path)
    rows = read_table(package, SLIDES)
    Cohort(map(_cohort_row, rows)).write(study.path / "cohort.csv")
    _link_images(package, study)
    with Journal.open(study) as journal:
        replay(journal, _past(package, study, [row["slide_id"] for row in rows]))
    return study


def _new_study(package: Path, study_path: Path) -> Study:
    ontology = read_classes(package / layout.PAYLOAD / layout.CLASSES)
    study_path.mkdir(parents=True, exist_ok=True)
    classes = study_path.parent / f".{study_path.name}.{_CLASSES}"
    write_text_atomically(classes, _yaml(ontology))
    try:
        return Study.create(study_path, ontology=str(classes), title=Crate(package).title)
    finally:
        classes.unlink()


def _yaml(ontology: Ontology) -> str:
    content: dict[str, Any] = {
        "key": ontology.key,
        "version": ontology.version,
        "title": ontology.title,
        "classes": [_said(asdict(label)) for label in ontology.classes],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _said(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a class; what is empty is left out, as a person would."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in parts.items()
        if value not in (None, "", ())
    }


def _cohort_row(row: Row) -> CohortRow:
    return CohortRow(
        row["slide_id"],
        row["case_id"],
        row["centre_id"],
        row["stain"],
        float(row["mpp_x"]) if row["mpp_x"] else None,
        row["source_sha256"],
        row["block_id"],
        row["scanner"],
        grade=row["grade"],
        marker=row["marker"],
    )


def _link_images(package: Path, study: Study) -> None:
    payload = package / layout.PAYLOAD
    inside = {
        slide_id: payload / layout.image_folder(slide_id) / report["opens"]
        for slide_id, report in read_reports(package).items()
    }
    if inside:
        LinkTable(study.vault).update(inside)


def _past(package: Path, study: Study, slide_ids: list[str]) -> Iterator[Event]:
    """All edits and sign-offs in the order in which they were made, of all slides together."""
    logs = [_slide_past(package, study, slide_id) for slide_id in slide_ids]
    return heapq.merge(*logs, read_sign_offs(package), key=lambda event: event.seq)


def _slide_past(package: Path, study: Study, slide_id: str) -> Iterator[Event]:
    payload = package / layout.PAYLOAD
    context = ReadingContext(slide_id, study.ontology, _NOBODY, trust_metadata=True)
    read = read_geojson(payload / layout.geojson_name(slide_id), context)
    measurements = {a.id: a.measurements for a in read if a.measurements}
    yield from read_event_log(payload / layout.journal_name(slide_id), slide_id, measurements)
