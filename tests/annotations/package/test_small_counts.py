from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathoai_annotations.package.small_counts import (
    HIDDEN,
    ShownCounts,
    all_counts,
    is_shown_small,
    without_small_counts,
)

_MOST = 36
"""As high as a reader who tries everything has to look: sums beyond it say nothing new."""


@st.composite
def _divided(draw: st.DrawFn) -> tuple[int, dict[str, dict[str, int]]]:
    first = draw(st.lists(st.sampled_from((0, 1, 2, 9, 10, 11, 12)), min_size=1, max_size=2))
    total = sum(first)
    cut = draw(st.integers(0, total))
    return total, {
        "a": {f"a{i}": n for i, n in enumerate(first)},
        "b": {"b0": cut, "b1": total - cut},
    }


def _values(cell: str) -> range:
    words = {"<11": range(1, 11), ">=11": range(11, _MOST), "not shown": range(_MOST)}
    return words[cell] if cell in words else range(int(cell), int(cell) + 1)


def _worlds(shown: ShownCounts) -> list[dict[str, int]]:
    """Everything that a reader of the published counts must hold for possible."""
    by_total: dict[int, list[dict[str, int]]] = {n: [{}] for n in _values(shown.total)}
    for parts in shown.divisions.values():
        ways: dict[int, list[dict[str, int]]] = {}
        for cells in product(*map(_values, parts.values())):
            ways.setdefault(sum(cells), []).append(dict(zip(parts, cells, strict=True)))
        by_total = {
            n: [known | way for known in worlds[:1] for way in ways[n]]
            + [known | ways[n][0] for known in worlds[1:]]
            for n, worlds in by_total.items()
            if n in ways
        }
    return [world | {"total": n} for n, worlds in by_total.items() for world in worlds]


@settings(max_examples=60, deadline=None)
@given(_divided())
def test_nothing_hidden_can_be_worked_out(
    divided: tuple[int, dict[str, dict[str, int]]],
) -> None:
    total, divisions = divided
    shown = without_small_counts(total, divisions)
    cells = {"total": shown.total} | {k: v for p in shown.divisions.values() for k, v in p.items()}
    truth = {"total": total} | {k: v for p in divisions.values() for k, v in p.items()}
    worlds = _worlds(shown)
    for name, cell in cells.items():
        assert not is_shown_small(cell)
        assert truth[name] in _values(cell)
        if cell in HIDDEN:
            assert len({world[name] for world in worlds}) > 1, (name, shown)
        else:
            assert cell == str(truth[name])


@pytest.mark.parametrize(
    ("total", "parts", "shown"),
    [
        (40, {"a": 20, "b": 20}, ("40", "20", "20")),
        (25, {"a": 20, "b": 5}, ("25", ">=11", "<11")),
        (4, {"a": 4, "b": 0}, ("<11", "<11", "0")),
        (20, {"a": 10, "b": 10}, (">=11", "<11", "<11")),
        (12, {"a": 11, "b": 1}, (">=11", ">=11", "<11")),
        (10, {"a": 10}, ("<11", "<11")),
        (0, {}, ("0",)),
    ],
)
def test_cases(total: int, parts: dict[str, int], shown: tuple[str, ...]) -> None:
    found = without_small_counts(total, {"x": parts})
    assert (found.total, *found.divisions["x"].values()) == shown


def test_ten_single_things_are_not_shown_at_all() -> None:
    ones = {str(number): 1 for number in range(10)}
    found = without_small_counts(10, {"x": ones})
    assert {found.total, *found.divisions["x"].values()} == {"not shown"}


def test_all_counts_are_text_alike() -> None:
    assert all_counts(3, {"x": {"a": 1, "b": 2}}) == ShownCounts("3", {"x": {"a": "1", "b": "2"}})


def test_a_count_of_thousands_of_digits_is_read_as_large() -> None:
    assert not is_shown_small("9" * 5000)
    assert is_shown_small("0" * 5000 + "5")
    assert not is_shown_small("0" * 5000)
