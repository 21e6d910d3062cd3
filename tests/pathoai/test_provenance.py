"""Provenance records: hashes by their definition, records never overwritten."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pathoai import __version__
from pathoai.provenance import (
    ProvenanceRecord,
    sha256_of_file,
    sha256_of_json,
    software_versions,
    utc_now,
)


def test_files_are_hashed_whole(tmp_path: Path) -> None:
    for size in (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1):
        path = tmp_path / str(size)
        path.write_bytes(bytes(i % 251 for i in range(size)))
        assert sha256_of_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_json_is_hashed_by_value_not_by_order() -> None:
    assert sha256_of_json({"a": 1, "b": [1, 2]}) == sha256_of_json({"b": [1, 2], "a": 1})
    assert sha256_of_json({"a": 1}) != sha256_of_json({"a": 2})
    assert sha256_of_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    with pytest.raises(ValueError, match="JSON"):
        sha256_of_json(float("nan"))


def test_now_is_utc_to_the_second() -> None:
    found = datetime.fromisoformat(utc_now())
    assert found.tzinfo == UTC
    assert found.microsecond == 0
    assert abs((datetime.now(UTC) - found).total_seconds()) < 60


def _record(**inputs: str) -> ProvenanceRecord:
    when = "2026-01-31T12:00:00+00:00"
    return ProvenanceRecord("package build", {"mpp": 0.5}, inputs, {"b": "1"}, when, when)


def test_a_record_holds_what_it_was_given_and_the_versions(tmp_path: Path) -> None:
    path = _record(a="0").write(tmp_path / "provenance")
    found = json.loads(path.read_text("utf8"))
    assert found["command"] == "package build"
    assert (found["parameters"], found["inputs"], found["outputs"]) == (
        {"mpp": 0.5},
        {"a": "0"},
        {"b": "1"},
    )
    assert found["software"] == software_versions()
    assert found["software"]["pathoai"] == __version__
    assert path.name.startswith("package-build-2026-01-31T120000-")


def test_records_of_the_same_second_do_not_meet(tmp_path: Path) -> None:
    paths = {_record(a=str(i)).write(tmp_path) for i in range(5)}
    assert len(paths) == 5
    assert set(tmp_path.iterdir()) == paths
