"""Slides under way at once: none waits in vain, a bad one stops no other, all can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from threading import Event

import pytest

from pathoai.cli.each_slide import Execution, run_over_slides
from pathoai.cli.slide_lanes import in_lanes
from pathoai.cluster.work_item import Done, Outcome, Status, WorkItem, attempt
from pathoai.errors import CohortError, DamagedSlideError
from pathoai.inference.device_turn import device_turn
from pathoai.progress import Advance
from pathoai.study.cohort import CohortRow

_PATIENCE_S = 30.0
_ID = "{}123456789ABCDEF"


def _settle(item: WorkItem, advance: Advance) -> Outcome:
    return attempt(item, advance=advance)


def _outcomes(items: list[WorkItem], lanes: int = 3) -> Iterator[Outcome]:
    return in_lanes(items, "testing", lanes, _settle)


def test_one_computes_while_another_finishes() -> None:
    """The first ends once the second has computed: one after the other, it never would."""
    computed = Event()

    def first(_: object, threads: int | None, advance: Advance) -> Done:
        with device_turn():
            advance(1, 1)
        assert computed.wait(_PATIENCE_S)
        return Done("first")

    def second(_: object, threads: int | None, advance: Advance) -> Done:
        with device_turn():
            computed.set()
        return Done("second")

    found = list(_outcomes([WorkItem("A", first), WorkItem("B", second)], lanes=2))
    assert {o.name: o.text for o in found} == {"A": "first", "B": "second"}


def test_the_device_serves_one_at_a_time() -> None:
    busy: list[str] = []

    def work(name: str, threads: int | None, advance: Advance) -> Done:
        with device_turn():
            busy.append(name)
            for done in range(50):
                advance(done, 50)
                assert busy == [name]
            busy.clear()
        return Done(name)

    items = [WorkItem(name, work, name) for name in "ABCDEF"]
    assert sorted(o.text for o in _outcomes(items)) == list("ABCDEF")


def test_a_bad_slide_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    def work(row: CohortRow, threads: int | None, advance: Advance) -> Done:
        advance(1, 2)
        if row.slide_id == _ID.format("B"):
            raise DamagedSlideError("the file is truncated", where=row.slide_id)
        return Done(f"{threads} threads")

    rows = [CohortRow(_ID.format(letter)) for letter in "ABC"]
    with pytest.raises(CohortError, match="1 of 3 slides failed"):
        run_over_slides(
            rows,
            "testing",
            lambda row: WorkItem(row.slide_id, work, row),
            Execution(threads=2, lanes=2),
        )
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert sorted(lines[:2]) == [f"{_ID.format(letter)}: 2 threads" for letter in "AC"]
    assert f"{_ID.format('B')}: the file is truncated" in printed.err


def test_what_nobody_foresaw_stops_all() -> None:
    begun, stopped = Event(), Event()

    def endless(_: object, threads: int | None, advance: Advance) -> Done:
        try:
            while True:
                advance(0, 1)
                begun.set()
        except CancelledError:
            stopped.set()
            raise

    def fail(_: object, threads: int | None, advance: Advance) -> Done:
        assert begun.wait(_PATIENCE_S)
        return Done(str(1 // 0))

    with pytest.raises(ZeroDivisionError):
        list(_outcomes([WorkItem("A", endless), WorkItem("B", fail)]))
    assert stopped.is_set()


def test_ctrl_c_stops_those_under_way_and_begins_no_other() -> None:
    """It strikes where outcomes are waited for, and closes the iterator."""
    begun, never = Event(), Event()

    def endless(_: object, threads: int | None, advance: Advance) -> Done:
        while True:
            advance(0, 1)
            begun.set()

    def wait_and_end(_: object, threads: int | None, advance: Advance) -> Done:
        assert begun.wait(_PATIENCE_S)
        return Done("")

    def refuse(_: object, threads: int | None, advance: Advance) -> Done:
        advance(0, 1)
        never.set()
        return Done("")

    items = [WorkItem("A", endless), WorkItem("B", wait_and_end)]
    items += [WorkItem(name, endless) for name in "CD"] + [WorkItem("E", refuse)]
    outcomes = _outcomes(items, lanes=3)
    assert next(outcomes).status is Status.DONE
    outcomes.close()  # type: ignore[attr-defined]  # a generator's
    assert not never.is_set()
