from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.fair.metric import Verdict
from pathoai_annotations.package.fair_check import METRICS, fair_check

_OF_A_REPOSITORY = {"FsF-F1-02MD", "FsF-A1-02MD", "FsF-A1.1-01MD", "FsF-A1.2-01MD"}


def _verdicts(package: Path) -> dict[str, Verdict]:
    return {row.metric: row.verdict for row in fair_check(package)}


def test_a_package_fails_nothing_and_waits_only_for_what_a_repository_brings(
    package: Path,
) -> None:
    verdicts = _verdicts(package)
    assert len(verdicts) == len(METRICS) == 17
    waiting = {metric for metric, verdict in verdicts.items() if verdict != "PASS"}
    assert waiting == _OF_A_REPOSITORY
    assert {verdicts[metric] for metric in waiting} == {Verdict.NEEDS_REPOSITORY}


def test_with_a_doi_nothing_waits_for_a_repository(package: Path) -> None:
    _edit(layout.DATACITE, lambda record: record.update(doi="10.5281/zenodo.1234"))(package)
    verdicts = _verdicts(package)
    assert {verdicts[metric] for metric in _OF_A_REPOSITORY} == {Verdict.PASS}


Tampering = Callable[[Path], None]


def _edit(name: str, change: Callable[[dict[str, object]], object]) -> Tampering:
    def tamper(package: Path) -> None:
        path = package / "data" / name
        content = json.loads(path.read_text("utf8"))
        change(content)
        path.write_text(json.dumps(content), "utf8")

    return tamper


def _root(change: Callable[[dict[str, object]], object]) -> Tampering:
    def of_graph(crate: dict[str, object]) -> None:
        graph = crate["@graph"]
        assert isinstance(graph, list)
        change(next(entity for entity in graph if entity["@id"] == "./"))

    return _edit(layout.METADATA, of_graph)


def _action(change: Callable[[dict[str, object]], object]) -> Tampering:
    def of_graph(crate: dict[str, object]) -> None:
        graph = crate["@graph"]
        assert isinstance(graph, list)
        change(next(entity for entity in graph if entity["@type"] == "CreateAction"))

    return _edit(layout.METADATA, of_graph)


def _replace(name: str, old: str, new: str) -> Tampering:
    def tamper(package: Path) -> None:
        path = package / "data" / name
        text = path.read_text("utf8")
        assert old in text
        path.write_text(text.replace(old, new), "utf8")

    return tamper


def _remove(name: str) -> Tampering:
    def tamper(package: Path) -> None:
        (package / "data" / name).unlink()

    return tamper


def _remove_edits(package: Path) -> None:
    next((package / "data" / layout.JOURNAL_FOLDER).glob("journal-*.jsonl")).unlink()


def _add_binary(package: Path) -> None:
    (package / "data" / "notes.docx").write_bytes(b"PK")


_PAGE = layout.LANDING_PAGE
_TAMPERINGS: list[tuple[str, Tampering]] = [
    ("FsF-F1-01MD", _root(lambda root: root.update(identifier="my data"))),
    ("FsF-F1-01MD", _edit(layout.CROISSANT, lambda c: c.update(identifier=f"urn:uuid:{'0' * 8}"))),
    ("FsF-F1-02MD", _edit(layout.DATACITE, lambda record: record.pop("publicationYear"))),
    ("FsF-F1-02MD", _remove(layout.DATACITE_XML)),
    ("FsF-F2-01M", _replace(_PAGE, '"publisher"', '"publishedBy"')),
    ("FsF-F3-01M", _replace(layout.ANNOTATIONS, "dcis", "lcis")),
    ("FsF-F3-01M", _replace(_PAGE, '"contentUrl": "tables/', '"contentUrl": "table/')),
    ("FsF-F4-01M", _replace(_PAGE, '"@type": "Dataset"', '"@type": "Thing"')),
    ("FsF-A1-01M", _root(lambda root: root.pop("conditionsOfAccess"))),
    ("FsF-A1-01M", _replace(layout.HEALTHDCAT, "access-right/NON_PUBLIC", "access-right/PUBLIC")),
    ("FsF-A1-01M", _edit(layout.CROISSANT, lambda c: c.pop("usageInfo"))),
    ("FsF-A1-02MD", _remove(_PAGE)),
    ("FsF-A1.1-01MD", _replace(layout.CROISSANT, '"contentUrl": "tab', '"contentUrl": "ftp://tab')),
    (
        "FsF-A1.2-01MD",
        _replace(_PAGE, '"isAccessibleForFree": false', '"isAccessibleForFree": true'),
    ),
    ("FsF-I1-01M", _replace(_PAGE, 'rel="describedby"', 'rel="alternate"')),
    ("FsF-I1-01M", _remove(layout.METADATA)),
    ("FsF-I2-01M", _replace(layout.CLASSES_SKOS, "skos:exactMatch", "skos:closeMatch")),
    ("FsF-I2-01M", _remove(layout.CLASSES_SKOS)),
    ("FsF-I3-01M", _root(lambda root: root.pop("isBasedOn"))),
    ("FsF-I3-01M", _edit(layout.DATACITE, lambda record: record.pop("relatedItems"))),
    ("FsF-R1-01M", _replace(layout.SLIDES, "slide_id,", "slide,")),
    ("FsF-R1-01M", _replace(layout.README, "Check it", "Check it!")),
    ("FsF-R1.1-01M", _root(lambda root: root.pop("license"))),
    ("FsF-R1.1-01M", _edit(layout.CROISSANT, lambda c: c.update(license="all rights reserved"))),
    ("FsF-R1.2-01M", _action(lambda action: action.pop("agent"))),
    ("FsF-R1.2-01M", _remove_edits),
    ("FsF-R1.3-01M", _root(lambda root: root.pop("conformsTo"))),
    ("FsF-R1.3-02D", _add_binary),
]


@pytest.mark.parametrize(("metric", "tamper"), _TAMPERINGS)
def test_every_metric_can_fail(package: Path, metric: str, tamper: Tampering) -> None:
    tamper(package)
    row = next(row for row in fair_check(package) if row.metric == metric)
    assert row.verdict is Verdict.FAIL
    assert row.why


def test_every_metric_has_a_tampering() -> None:
    assert {metric for metric, _ in _TAMPERINGS} == {metric.identifier for metric in METRICS}


def test_nothing_and_no_package_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        fair_check(tmp_path / "none")
    with pytest.raises(PackageError, match="not a package"):
        fair_check(tmp_path)
