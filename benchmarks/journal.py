"""The journal with 100,000 annotations: entering, looking at one view, writing all out.

    python benchmarks/journal.py --out benchmarks/results/journal.md

In one run: the journal on SQLite and, if its programs are installed, on PostgreSQL (a server of the
benchmark's own); shapely's STRtree over outlines in memory; and reading the whole GeoJSON again, by
shapely. Outlines are of nuclei, 24 corners each, on a canvas of 40,000 px; views are of 2 mm at
0.25 µm per pixel. Views interleave, so that all ways meet the same disturbances; each way must find
the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import shapely
from measure import machine

from pathoai.errors import MissingDependencyError
from pathoai.geometry import Region
from pathoai.ontology import load_ontology
from pathoai.testing.postgresql_server import running_postgresql
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.formats.geojson import write_geojson
from pathoai_annotations.journal.journal import Journal

_SIDE, _VIEW_PX, _CORNERS = 40_000, 8000, 24
_SLIDE = "0123456789ABCDEF"
_MEMORY, _FILE = "STRtree in memory", "whole GeoJSON each time"
Look = Callable[[Region], int]


def nuclei(count: int) -> list[Annotation]:
    """Round outlines of 16 to 40 px, anywhere on the canvas."""
    rng = np.random.default_rng(1)
    centres = rng.uniform(50, _SIDE - 50, (count, 1, 2))
    radii = rng.uniform(8, 20, (count, 1, 1)) * rng.uniform(0.9, 1.1, (count, _CORNERS, 1))
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outlines = shapely.polygons(np.round(centres + radii * around, 2))
    return [
        Annotation(
            deterministic_id(str(number)),
            _SLIDE,
            "nucleus",
            outline,
            Origin.MODEL,
            "model",
            confidence=0.5,
            derived_from="model:unet@" + "ab" * 32,
        )
        for number, outline in enumerate(outlines)
    ]


@contextmanager
def places(folder: Path) -> Iterator[dict[str, Path | str]]:
    """Where the journal may lie on this machine."""
    found: dict[str, Path | str] = {"journal, SQLite": folder / "journal.sqlite"}
    with ExitStack() as stack:
        try:
            found["journal, PostgreSQL"] = stack.enter_context(running_postgresql())
        except MissingDependencyError as error:
            print(f"without PostgreSQL: {error}")
        yield found


def seconds(work: Callable[[], object]) -> float:
    """Time that passes while something is done once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def looks(
    journals: dict[str, Journal], annotations: list[Annotation], file: Path
) -> dict[str, Look]:
    """Each way to count what touches a view."""
    tree = shapely.STRtree([a.geometry for a in annotations])

    def in_memory(view: Region) -> int:
        box = shapely.box(view.x, view.y, view.right, view.bottom)
        return len([annotations[i] for i in tree.query(box)])

    def in_file(view: Region) -> int:
        bounds = shapely.bounds(shapely.get_parts(shapely.from_geojson(file.read_bytes())))
        touch = (bounds[:, :2] <= (view.right, view.bottom)) & (bounds[:, 2:] >= (view.x, view.y))
        return int(touch.all(axis=1).sum())

    def in_journal(journal: Journal) -> Look:
        return lambda view: len(journal.annotations(_SLIDE, region=view))

    ways = {name: in_journal(journal) for name, journal in journals.items()}
    return ways | {_MEMORY: in_memory, _FILE: in_file}


def look_at_views(ways: dict[str, Look], views: int, reads: int) -> dict[str, list[float]]:
    """Seconds of each look; the whole file is read for the first few views only."""
    corners = np.random.default_rng(2).uniform(0, _SIDE - _VIEW_PX, (views, 2))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn, (x, y) in enumerate(corners):
        view = Region(x, y, _VIEW_PX, _VIEW_PX)
        found: set[int] = set()
        for name, look in ways.items():
            if name != _FILE or turn < reads:
                times[name].append(seconds(partial(_note, found, look, view)))
        assert len(found) == 1, found  # all ways find the same
    return times


def _note(found: set[int], look: Look, view: Region) -> None:
    found.add(look(view))


def report(
    count: int, entered: dict[str, float], looked: dict[str, list[float]], written: dict[str, float]
) -> str:
    """The tables, in Markdown."""
    lines = [
        f"# The journal with {count:,} annotations",
        "",
        machine(["sqlalchemy", "psycopg", "shapely"]),
        "",
        "| | entering all, s | again, none new, s | a view of 2 mm, median ms | 95 % of views, ms "
        "| writing all as GeoJSON, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, times in looked.items():
        ms = sorted(1000 * value for value in times)
        cells = [
            _cell(entered.get(name)),
            _cell(entered.get(f"{name} again")),
            f"{statistics.median(ms):.1f}",
            f"{ms[int(0.95 * (len(ms) - 1))]:.1f}",
            _cell(written.get(name)),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    base = statistics.median(looked[_FILE])
    ratios = ", ".join(
        f"{name} {base / statistics.median(times):,.0f} ×"
        for name, times in looked.items()
        if name != _FILE
    )
    return "\n".join([*lines, "", f"A view, beside reading the whole GeoJSON: {ratios}.", ""])


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--reads", type=int, default=3, help="of the whole GeoJSON")
    options = parser.parse_args()
    annotations, ontology = nuclei(options.count), load_ontology("breast")
    entered: dict[str, float] = {}
    written: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        file = folder / "all.geojson"
        found = stack.enter_context(places(folder))
        journals = {key: stack.enter_context(Journal(place)) for key, place in found.items()}
        for key, journal in journals.items():
            entered[key] = seconds(partial(journal.propose, annotations))
            entered[f"{key} again"] = seconds(partial(journal.propose, annotations))
        written[_FILE] = seconds(lambda: write_geojson(file, annotations, ontology))
        entered[_MEMORY] = seconds(lambda: shapely.STRtree([a.geometry for a in annotations]))
        looked = look_at_views(looks(journals, annotations, file), options.views, options.reads)
        for key, journal in journals.items():
            out = folder / "out.geojson"
            written[key] = seconds(
                lambda journal=journal, out=out: write_geojson(
                    out, journal.annotations(_SLIDE), ontology
                )
            )
    options.out.write_text(report(options.count, entered, looked, written), "utf8")
    print(options.out.read_text("utf8"))


if __name__ == "__main__":
    main()
