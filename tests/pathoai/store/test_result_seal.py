"""A seal holds only for the files it was put on, and for what they rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.store.file_hashes import damaged_files, fault_of_file
from pathoai.store.result_seal import ResultSeal

_ABOUT = {"model_sha256": "a" * 64, "regions": {"source": "tissue"}}


@pytest.fixture
def seal(tmp_path: Path) -> ResultSeal:
    """The seal on a table and a report, as it was just written."""
    files = (tmp_path / "a.parquet", tmp_path / "a.json")
    for file in files:
        file.write_text(f"what stands in {file.name}")
    made = ResultSeal(tmp_path / "a.seal", files, _ABOUT)
    assert made.said() is None
    assert made.damaged() == {}
    made.write("3 objects; a doctor decides")
    return made


def test_what_was_said_is_known_as_long_as_nothing_changed(seal: ResultSeal) -> None:
    assert seal.said() == "3 objects; a doctor decides"
    assert seal.damaged() == {}


def test_of_another_model_or_of_more_files_it_says_nothing(seal: ResultSeal) -> None:
    assert replace(seal, rests_on=_ABOUT | {"model_sha256": "b" * 64}).said() is None
    assert replace(seal, files=(*seal.files, seal.path.with_name("more.csv"))).said() is None
    assert replace(seal, files=seal.files[:1]).said() is None


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda file: file.unlink(), "missing"),
        (lambda file: file.write_text("another"), "altered"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read (Is a directory)"),
    ],
)
def test_damage_is_named(seal: ResultSeal, harm: Callable[[Path], object], fault: str) -> None:
    harm(seal.files[1])
    assert seal.damaged() == {"a.json": fault}
    assert seal.said() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": 3}', '{"files": {}}'])
def test_a_damaged_seal_is_none(seal: ResultSeal, text: str) -> None:
    seal.path.write_text(text)
    assert seal.said() is None
    assert seal.damaged() == {}


def test_what_a_killed_run_left_half_written_goes(seal: ResultSeal) -> None:
    halves = [seal.path.with_name(f".{name}.0f.partial") for name in ("a.seal", "a.json")]
    other = seal.path.with_name(".b.json.0f.partial")
    for file in (*halves, other):
        file.touch()
    seal.remove_partial_writes()
    assert not any(file.exists() for file in halves)
    assert other.exists()


def test_a_file_that_should_not_be_there_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "stray").touch()
    assert fault_of_file(tmp_path / "none", "") == ""
    assert damaged_files(tmp_path, {"none": "", "stray": ""}) == {"stray": "altered"}
