"""JSON made to mislead: told as a finding, whatever hashes say, and never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.mutations import outlines, reseal, seal_bag

_DEEP = "[" * 200_000
_RELEASE, _CRATE = "data/privacy/release.json", "data/ro-crate-metadata.json"


def _findings(package: Path) -> set[tuple[str, str]]:
    """Where, and what was found."""
    return {(f.where, f.what) for f in verify_package(package).findings}


@pytest.mark.parametrize(
    "name",
    [
        "approval.json",
        _RELEASE,
        _CRATE,
        "data/privacy/erasure.json",
        "data/provenance/loss-report.json",
        "data/croissant.json",
        "data/catalogue/datacite.json",
    ],
)
def test_json_nested_without_end_is_a_finding(
    package: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / name).write_text(_DEEP)
    assert main(["package", "verify", str(package)]) == 1
    said = capsys.readouterr()
    assert "bug" not in said.err
    assert name in said.out + said.err
    assert main(["package", "fair-check", str(package)]) in (0, 1)


def test_outlines_and_logs_nested_without_end_are_findings(package: Path) -> None:
    slide = outlines(package)
    slide.write_text(_DEEP)
    log = next((package / "data/provenance").glob("journal-*.jsonl"))
    log.write_text(f'{{"seq": {_DEEP}\n')
    where = f"data/annotations/geojson/{slide.name}"
    assert (where, "not a GeoJSON FeatureCollection") in _findings(package)


def _twice(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), "utf8")


def test_a_tier_stated_twice_is_a_finding_though_every_hash_is_right(package: Path) -> None:
    _twice(package / _RELEASE, '"tier": ', '"tier": "open", "tier": ')
    reseal(package)
    assert (_RELEASE, "not sound JSON: the key tier twice in one object") in _findings(package)


def test_a_second_context_of_the_crate_is_a_finding(package: Path) -> None:
    _twice(package / _CRATE, "{", '{"@context": "https://example.org/other", ')
    seal_bag(package)
    assert (_CRATE, "not sound JSON: the key @context twice in one object") in _findings(package)


def test_an_approval_that_says_two_things_is_none(package: Path) -> None:
    _twice(package / "approval.json", "{", '{"tier": "open", ')
    assert ("approval.json", "no approval") in _findings(package)


@pytest.mark.parametrize("features", ["first", "last"])
def test_a_second_list_of_features_is_a_finding(package: Path, features: str) -> None:
    path = outlines(package)
    document = json.loads(path.read_text("utf8"))
    empty, full = '"features": []', f'"features": {json.dumps(document["features"])}'
    parts = [full, empty] if features == "first" else [empty, full]
    path.write_text('{"type": "FeatureCollection", ' + ", ".join(parts) + "}", "utf8")
    reseal(package)
    where = f"data/annotations/geojson/{path.name}"
    assert (where, "not a GeoJSON FeatureCollection") in _findings(package)


def test_an_edit_that_says_two_things_is_a_finding(package: Path) -> None:
    log = next((package / "data/provenance").glob("journal-*.jsonl"))
    _twice(log, "{", '{"author": "R9", ')
    reseal(package)
    where = log.relative_to(package).as_posix()
    assert (where, "the log of edits cannot be read") in _findings(package)


def test_a_mask_that_says_two_things_or_goes_on_without_end_is_a_finding(
    derived_package: Path,
) -> None:
    first, *_ = sorted((derived_package / "data/masks").glob("*/zarr.json"))
    where = first.relative_to(derived_package).as_posix()
    _twice(first, "{", '{"zarr_format": 2, ')
    twice = "not sound JSON: the key zarr_format twice in one object"
    assert (where, twice) in _findings(derived_package)
    first.write_text(_DEEP)
    deep = "not sound JSON: more than 100 levels of lists and objects"
    assert (where, deep) in _findings(derived_package)
