"""Seconds of attention, against a count of every single second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai_annotations.review.reading_clock import ReadingClock

IDLE_S = 5
Happening = tuple[int, str, object]

happenings = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.one_of(
            st.just(("touch", None)),
            st.tuples(st.just("focus"), st.booleans()),
            st.tuples(st.just("enter"), st.sampled_from(["a", "b", None])),
            st.tuples(st.just("look"), st.sampled_from(["a", "b"])),
        ),
    ),
    max_size=30,
)


def _tell(clock: ReadingClock, now: int, what: str, which: object) -> None:
    if what == "touch":
        clock.touch(now)
    elif what == "focus":
        clock.focus(now, bool(which))
    elif what == "enter":
        clock.enter(now, which)
    else:
        clock.region_seconds(now, which)  # asking changes nothing


def _every_second(told: list[Happening], end: int) -> dict[object, int]:
    """The whole seconds that count, one by one, by what was told before each."""
    spent: dict[object, int] = {"a": 0, "b": 0, None: 0}
    for second in range(end):
        alive_at, has_focus, region = 0, True, None
        for at, what, which in told:
            if at > second:
                break
            if what == "focus":
                has_focus = bool(which)
            if what == "enter":
                region = which
            if what in ("touch", "enter") or (what == "focus" and which):
                alive_at = at
        if has_focus and second < alive_at + IDLE_S:
            spent[region] += 1
    return spent


@given(happenings)
def test_it_counts_the_seconds_in_which_somebody_looked(
    steps: list[tuple[int, tuple[str, object]]],
) -> None:
    clock, now, told = ReadingClock(0, idle_limit_s=IDLE_S), 0, []
    for pause, (what, which) in steps:
        now += pause
        told.append((now, what, which))
        _tell(clock, now, what, which)
    end = now + 7
    spent = _every_second(told, end)
    assert clock.slide_seconds(end) == sum(spent.values())
    assert [clock.region_seconds(end, region) for region in "ab"] == [spent["a"], spent["b"]]
    # Told once, of a region or with the rest, it is not told again.
    assert clock.tell_region(end, "a") == spent["a"]
    assert clock.tell_rest(end) == spent["b"] + spent[None]
    assert clock.tell_rest(end) == clock.tell_region(end, "b") == 0
    assert clock.slide_seconds(end) == sum(spent.values())


def test_who_leaves_the_desk_is_counted_for_a_minute() -> None:
    clock = ReadingClock(1000.0)
    clock.enter(1010.0, "first")
    assert clock.region_seconds(5000.0, "first") == 60
    clock.touch(5000.0)
    assert clock.slide_seconds(5003.5) == 10 + 60 + 3.5


def test_what_is_no_clock_is_refused() -> None:
    clock = ReadingClock(10.0)
    with pytest.raises(InvalidValueError, match="went back"):
        clock.touch(9.0)
    with pytest.raises(InvalidValueError, match="idle limit"):
        ReadingClock(0, idle_limit_s=0)
