"""Do the outlines, the tables, the log of edits and the crate tell the same?"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError, PathoaiError
from pathoai.ontology import Ontology
from pathoai.privacy.pseudonym import is_code
from pathoai.strict_json import read_json
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import feature, read_geojson
from pathoai_annotations.package import layout
from pathoai_annotations.package.crate_reader import Crate
from pathoai_annotations.package.csv_file import Row, read_table
from pathoai_annotations.package.entities import entity_rows
from pathoai_annotations.package.event_log import EventLog, state_of
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.shown_counts import PackageCounts
from pathoai_annotations.package.small_counts import SMALLEST_SHOWN, is_shown_small
from pathoai_annotations.package.table import ANNOTATIONS, ANNOTATORS, SLIDES, TABLES, Table
from pathoai_annotations.package.tables import annotation_row
from pathoai_annotations.package.tally import Tally, count_id
from pathoai_annotations.package.vocabulary import read_classes

# The file names no author for readers that trust metadata; this one is never used.
_NOBODY = "nobody"


@dataclass(slots=True)
class AnnotationCheck:
    """What the annotations of a package are, as far as they could be read.

    Args:
        root: The bag's folder.
    """

    root: Path
    tally: Tally = field(default_factory=Tally)
    last_edit: str = ""
    _rows: list[Row] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    @property
    def last_day(self) -> date | None:
        """The day (UTC) of the last edit; None where no time of an edit could be read."""
        try:
            return datetime.fromisoformat(self.last_edit).date()
        except ValueError:
            return None

    def run(self) -> list[Finding]:
        """Check everything; tables are compared only with outlines that are sound."""
        findings: list[Finding] = []
        try:
            ontology = read_classes(self.root / layout.PAYLOAD / layout.CLASSES)
        except PackageError as error:
            return [Finding(error.what, _payload(layout.CLASSES))]
        for slide_id, path in layout.geojson_files(self.root).items():
            findings.extend(self._check_slide(slide_id, path, ontology))
        return findings or list(self._check_tables())

    def _check_slide(self, slide_id: str, path: Path, ontology: Ontology) -> list[Finding]:
        where = _payload(layout.geojson_name(slide_id))
        if not is_code(slide_id):
            return [Finding("named by something that is no code of a slide", where)]
        try:
            features = _features(path)
        except PackageError as error:
            return [Finding(error.what, where)]
        findings = [*self._check_ids(features, where), *_check_classes(features, ontology, where)]
        if findings:
            return findings
        try:
            context = ReadingContext(slide_id, ontology, _NOBODY, trust_metadata=True)
            annotations = list(read_geojson(path, context))
        except PathoaiError as error:
            return [Finding(f"malformed annotation: {error.what}", where)]
        findings.extend(_check_round_trip(features, annotations, ontology, where))
        findings.extend(self._check_log(slide_id, features, annotations))
        self._rows.extend(map(annotation_row, annotations))
        return findings

    def _check_ids(self, features: Sequence[dict[str, Any]], where: str) -> Iterator[Finding]:
        for position, raw in enumerate(features, start=1):
            identity = str(raw.get("id"))
            if not _is_uuid(identity):
                yield Finding(f"the id of feature {position} is no UUID", where)
            elif identity in self._ids:
                yield Finding(f"the id of feature {position} is there twice", where)
            self._ids.add(identity)

    def _check_log(
        self, slide_id: str, features: Sequence[dict[str, Any]], annotations: Sequence[Annotation]
    ) -> Iterator[Finding]:
        name = layout.journal_name(slide_id)
        try:
            log = EventLog(self.root / layout.PAYLOAD / name)
        except PackageError as error:
            yield Finding(error.what, _payload(name))
            return
        self.tally.add(annotations, log.editors)
        self.last_edit = max(self.last_edit, log.ended)
        states = {
            str(a.id): state_of(a) | {"geometry": raw["geometry"]}
            for a, raw in zip(annotations, features, strict=True)
        }
        authors = {str(a.id): a.author for a in annotations}
        if log.states != states or log.authors != authors:
            yield Finding("the edits do not end at the annotations of the slide", _payload(name))

    def _check_tables(self) -> Iterator[Finding]:
        try:
            counts = PackageCounts.of(self.tally, Release.read(self.root).tier)
            slides = read_table(self.root, SLIDES)
        except PackageError as error:
            yield Finding(error.what, _payload(str(error.where)))
            return
        yield from self._compare(ANNOTATIONS, self._rows)
        yield from self._compare(ANNOTATORS, counts.annotators)
        yield from _check_codes(slides)
        if counts.tier.is_published:
            yield from self._check_small_counts()
        stated = {row["slide_id"]: row["annotations"] for row in slides}
        if stated != counts.by_slide or len(slides) != len(stated):
            yield Finding("does not agree with the annotations", _payload(layout.SLIDES))
        for table, rows in entity_rows(slides, counts.tier):
            yield from self._compare(table, rows, "the slides")
        yield from self._check_counts(counts)

    def _compare(
        self, table: Table, expected: Sequence[Row], what: str = "the annotations and their edits"
    ) -> Iterator[Finding]:
        try:
            found = read_table(self.root, table)
        except PackageError as error:
            yield Finding(error.what, _payload(table.path))
            return
        if found != list(expected):
            pairs = enumerate(zip(found, expected, strict=False), start=2)
            first = next((i for i, (a, b) in pairs if a != b), min(len(found), len(expected)) + 2)
            yield Finding(f"does not agree with {what}", f"{_payload(table.path)} line {first}")

    def _check_small_counts(self) -> Iterator[Finding]:
        for table in TABLES:
            try:
                rows = read_table(self.root, table) if table.counts else []
            except PackageError:
                continue  # told where it is compared
            if any(is_shown_small(row[column]) for row in rows for column in table.counts):
                yield Finding(f"a count below {SMALLEST_SHOWN} is shown", _payload(table.path))

    def _check_counts(self, counts: PackageCounts) -> Iterator[Finding]:
        expected = {count_id(*line[:2]): line[2] for line in counts.lines()}
        try:
            stated = {name: str(value) for name, value in Crate(self.root).counts().items()}
        except PackageError:
            return  # told by the check of the files
        if stated != expected:
            yield Finding(
                "the crate's counts are not those of the annotations", _payload(layout.METADATA)
            )


def _payload(name: str) -> str:
    return f"{layout.PAYLOAD}/{name}"


def _features(path: Path) -> list[dict[str, Any]]:
    try:
        raw = read_json(path)
        features = raw["features"] if raw["type"] == "FeatureCollection" else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackageError("not a GeoJSON FeatureCollection", where=path.name) from error
    if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
        raise PackageError("not a GeoJSON FeatureCollection", where=path.name)
    return features


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _check_classes(
    features: Iterable[dict[str, Any]], ontology: Ontology, where: str
) -> Iterator[Finding]:
    unknown = sorted({name for raw in features if (name := _class_of(raw)) not in ontology})
    if unknown:
        yield Finding(f"{len(unknown)} classes of annotations are not in {layout.CLASSES}", where)


def _class_of(raw: dict[str, Any]) -> str:
    try:
        return str(raw["properties"]["classification"]["name"])
    except (KeyError, TypeError):
        return ""


def _check_round_trip(
    features: Sequence[dict[str, Any]],
    annotations: Sequence[Annotation],
    ontology: Ontology,
    where: str,
) -> Iterator[Finding]:
    if len(annotations) != len(features):
        yield Finding("reads as another number of annotations than it has features", where)
        return
    for position, (raw, annotation) in enumerate(zip(features, annotations, strict=True), start=1):
        if _canonical(feature(annotation, ontology)) != _canonical(raw):
            yield Finding(f"feature {position} does not survive reading and writing", where)
        if annotation.status not in OF_RECORD:
            yield Finding(f"feature {position} was validated by nobody", where)


def _canonical(raw: object) -> str:
    return json.dumps(raw, sort_keys=True)


def _check_codes(slides: Iterable[Row]) -> Iterator[Finding]:
    for line, row in enumerate(slides, start=2):
        for column in ("slide_id", "case_id", "block_id", "centre_id"):
            if not is_code(row[column]) and (row[column] or column == "slide_id"):
                yield Finding(f"{column} is no code", f"{_payload(layout.SLIDES)} line {line}")
