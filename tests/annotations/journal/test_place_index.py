"""A view is found by the index, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sqlalchemy as sa
from shapely import box

from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.rows import STATE
from pathoai_annotations.journal.states import present_rows

Draw = Callable[..., Annotation]
SLIDE = "0123456789ABCDEF"


def test_a_view_looks_into_the_index_and_finds_what_it_touches(
    journal: Journal, draw: Draw
) -> None:
    rng = np.random.default_rng(5)
    corners = rng.integers(0, 40_000, (4000, 2)).tolist()
    journal.propose(
        draw(f"{number}", geometry=box(x, y, x + 20, y + 20))
        for number, (x, y) in enumerate(corners)
    )
    journal.propose([draw("elsewhere", slide_id="F" * 16)])
    view = Region(17_000, 9000, 3000, 2500)
    found = {a.id for a in journal.annotations(SLIDE, region=view)}
    every = {a.id: a.geometry.bounds for a in journal.annotations(SLIDE)}
    assert found == {
        one
        for one, (left, top, right, bottom) in every.items()
        if left <= view.right and right >= view.x and top <= view.bottom and bottom >= view.y
    }
    assert 10 < len(found) < 100
    plan = _plan(journal, present_rows(STATE, slide_id=SLIDE, region=view))
    assert "current_by_place" in plan
    assert "cell>?" in plan or "(cell >=" in plan
    assert "Seq Scan" not in plan
    assert "SCAN current_annotations" not in plan
    assert "SCAN events" not in plan


def _plan(journal: Journal, query: sa.Select[tuple[object, ...]]) -> str:
    with journal.database.writing() as connection:
        dialect = connection.dialect
        if dialect.name == "postgresql":
            connection.execute(sa.text("ANALYZE"))
        explain = "EXPLAIN" if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        compiled = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        rows = connection.exec_driver_sql(f"{explain} {compiled}").all()
    return "\n".join(str(row) for row in rows)
