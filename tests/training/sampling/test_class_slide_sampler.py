"""Draws by class and slide: frequencies as stated, and each draw a function of its number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai_training.sampling.alias_table import AliasTable, numbered_uniforms
from pathoai_training.sampling.class_slide_sampler import ClassSlideSampler, cell_weights

weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-3)


@given(weights)
def test_an_alias_table_holds_exactly_its_distribution(given_weights: list[float]) -> None:
    """Summed over its columns: each gives itself with `keep`, else its alias."""
    wanted = np.array(given_weights)
    table = AliasTable.of(wanted)
    mass = np.zeros(len(wanted))
    np.add.at(mass, np.arange(len(wanted)), table.keep)
    np.add.at(mass, table.alias, 1 - table.keep)
    assert np.allclose(mass / len(wanted), wanted / wanted.sum(), atol=1e-9)


@given(st.integers(0, 2**63), st.integers(0, 2**62), st.integers(1, 20), st.integers(0, 20))
def test_a_draw_depends_on_its_number_alone(seed: int, first: int, count: int, skip: int) -> None:
    whole = numbered_uniforms(seed, first, count + skip)
    assert np.array_equal(whole[skip:], numbered_uniforms(seed, first + skip, count))
    assert ((whole >= 0) & (whole < 1)).all()


def tiles() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Three classes on four slides, very uneven: 9000, 900 and 10 tiles, in no order."""
    rng = np.random.default_rng(1)
    tile_class = np.repeat(np.array([0, 1, 2], np.uint8), [9000, 900, 10])
    slide = np.concatenate(
        [rng.choice(4, 9000, p=[0.7, 0.2, 0.09, 0.01]), rng.choice(2, 900), np.full(10, 3)]
    ).astype(np.int32)
    order = rng.permutation(len(slide))
    return tile_class[order], slide[order]


def sampler(temperature: float = np.inf, **changes: object) -> ClassSlideSampler:
    values: dict[str, object] = {"length": 64, "seed": 3, "done": lambda: 0}
    return ClassSlideSampler(*tiles(), temperature=temperature, **(values | changes))  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize("temperature", [1.0, 2.0, np.inf])
def test_frequencies_are_those_of_the_definition(temperature: float) -> None:
    tile_class, slide = tiles()
    draws = 200_000
    drawn = sampler(temperature).draw(0, draws)
    power = 1 / temperature
    counts = np.zeros((3, 4))
    np.add.at(counts, (tile_class, slide), 1)
    per_class = counts.sum(1) ** power
    within = np.where(counts > 0, counts, 1) ** power * (counts > 0)
    wanted = (per_class / per_class.sum())[:, None] * within / within.sum(1, keepdims=True)
    found = np.zeros((3, 4))
    np.add.at(found, (tile_class[drawn], slide[drawn]), 1 / draws)
    sigma = np.sqrt(wanted * (1 - wanted) / draws)
    assert (abs(found - wanted) <= 5 * sigma + 1e-12).all()
    # Within a cell each tile is as likely as another: the rarest cell's ten, all about equally.
    rare = np.flatnonzero(tile_class == 2)
    hits = np.array([(drawn == tile).sum() for tile in rare])
    assert hits.sum() == pytest.approx(wanted[2].sum() * draws, abs=5 * sigma.max() * draws)
    if temperature > 1:
        assert hits.min() > 0.6 * hits.mean()


def test_natural_prevalence_is_one_tile_as_likely_as_another() -> None:
    sizes, classes = np.array([5, 1, 3, 11]), np.array([0, 0, 2, 3])
    assert cell_weights(sizes, classes, 1.0) == pytest.approx(sizes / 20)
    assert cell_weights(sizes, classes, np.inf) == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])


@given(st.integers(0, 500), st.integers(1, 7), st.integers(1, 4))
def test_a_resumed_run_and_any_number_of_processes_see_the_same_draws(
    done: int, length: int, processes: int
) -> None:
    # What is resumed in the middle of a stretch goes on to its end.
    end = (done // length + 1) * length
    whole = sampler().draw(0, end * processes)
    for rank in range(processes):
        resumed = sampler(length=length, done=lambda: done, process=(rank, processes))
        assert list(resumed) == whole[done * processes + rank :: processes].tolist()
        assert len(resumed) == length


def test_another_seed_draws_otherwise() -> None:
    assert list(sampler()) != list(sampler(seed=4))


def test_ten_million_tiles_are_columns_and_not_objects() -> None:
    """What stays in memory is 4 bytes a tile, and a few for each class and slide."""
    count, rng = 10_000_000, np.random.default_rng(0)
    slide = np.sort(rng.integers(0, 1000, count, dtype=np.int32))
    tile_class = rng.integers(0, 4, count, dtype=np.uint8)
    made = ClassSlideSampler(tile_class, slide, length=1, seed=0, done=lambda: 0)
    kept = [v for v in vars(made).values() if isinstance(v, np.ndarray)]
    assert sum(column.nbytes for column in kept) < 4 * count + 100_000
    drawn = made.draw(10**12, 1000)
    assert np.array_equal(drawn, made.draw(10**12, 1000))
    assert (drawn < count).all()


def test_what_cannot_be_drawn_from() -> None:
    for temperature in (0.5, 0.0, float("nan"), -1.0):
        with pytest.raises(InvalidValueError, match="temperature"):
            sampler(temperature)
    with pytest.raises(InvalidValueError, match="no tile"):
        ClassSlideSampler(
            np.empty(0, np.uint8), np.empty(0, np.int32), length=1, seed=0, done=lambda: 0
        )
