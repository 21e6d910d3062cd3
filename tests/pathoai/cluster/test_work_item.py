"""One try, and how it ends."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pathoai.cluster import work_item
from pathoai.cluster.work_item import Outcome, Status, WorkItem, attempt, attempt_until_settled
from pathoai.errors import DamagedSlideError, StorageError
from tests.pathoai.cluster import errands


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests wait for no disk."""
    monkeypatch.setattr(work_item, "_PAUSE_S", 0)


def test_work_that_succeeds(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.work)
    assert attempt(item, threads=3) == Outcome("A", Status.DONE, "3 threads")


def test_what_was_complete_counts_as_skipped(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.be_complete)
    assert attempt(item).status is Status.SKIPPED


def test_progress_inside_the_work_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def count(_: object, threads: int | None, advance: object) -> work_item.Done:
        for done in (1, 2):
            advance(done, 2)  # type: ignore[operator]  # the contract's Advance
        return work_item.Done("")

    attempt(WorkItem("A", count), advance=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_bad_slide_is_tried_once(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.be_damaged)
    outcome = attempt_until_settled(item, retries=2)
    assert isinstance(outcome.error, DamagedSlideError)
    assert (outcome.status, outcome.text) == (Status.FAILED, "the file is truncated")
    assert len(errands.begun(tmp_path / "A")) == 1


def test_a_stale_disk_is_tried_again(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.lose_the_disk_once)
    assert attempt_until_settled(item, retries=1).text == "back"
    assert len(errands.begun(tmp_path / "A")) == 2


def test_storage_that_does_not_come_back_fails_after_its_retries(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.lose_storage_always)
    assert isinstance(attempt_until_settled(item, retries=2).error, StorageError)
    assert len(errands.begun(tmp_path / "A")) == 3


def test_a_full_disk_is_tried_once_and_no_file_is_named(tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=errands.fill_the_disk)
    outcome = attempt_until_settled(item, retries=2)
    assert isinstance(outcome.error, StorageError)
    assert str(outcome.error).startswith("A: No space left on device. Remedy: make room")
    assert "DUPONT" not in str(outcome.error)
    assert len(errands.begun(tmp_path / "A")) == 1


@pytest.mark.parametrize("function", [errands.be_wrong, errands.outside_the_study])
def test_a_bug_is_no_outcome(function: object, tmp_path: Path) -> None:
    (item,) = errands.items(tmp_path, A=function)
    with pytest.raises((RuntimeError, OSError), match=r"in DUPONT|neither here"):
        attempt(item)


def test_what_an_item_works_on_is_never_shown() -> None:
    item = WorkItem("A", errands.work, Path("DUPONT.svs"))
    assert "DUPONT" not in repr(item)
    assert pickle.loads(pickle.dumps(item)) == item
