"""From a dense label to polygons: beside rasterio's features (GDAL) and OpenCV's contours.

OMP_NUM_THREADS=1 python benchmarks/vectorise.py --out benchmarks/results/vectorise.md
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
import zarr
from measure import Cost, machine, medians
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pathoai.geometry import Grid, Size
from pathoai.inference.find_objects import found_objects
from pathoai.look_ahead import in_order
from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, read_objects, write_object_batches
from pathoai.store.shards import Shard, shard_slices, shards_of
from pathoai.vector.rasterise import rasterise

SIDE_PX = 40_000
NUCLEI = 200_000
MPP = 0.25
THREADS = 2
LABEL = "prediction/nuclei"
VALUES = (21, 22, 23, 24, 25)
_REACH_PX = 16
"""No nucleus reaches further from its centre."""
_CLASSES = tuple(
    LabelClass(value, f"kind_{value}", f"Kind {value}", f"Type {value}", "#000000")
    for value in VALUES
)

Block = NDArray[np.uint8]


@dataclass(frozen=True)
class Nuclei:
    """Ellipses on a slide, none of which touches another.

    Args:
        centre: ``(n, 2)`` y and x, pixels.
        axes: ``(n, 2)`` pixels.
        turn: ``(n,)`` radians.
        value: ``(n,)`` uint8, the class of each.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    turn: NDArray[np.float64]
    value: Block

    @classmethod
    def drawn(cls, count: int, side: int) -> Nuclei:
        """As many as asked, one to a cell of a lattice, anywhere in its middle."""
        rng = np.random.default_rng(0)
        across = int(np.ceil(np.sqrt(count)))
        cell = side / across
        place = rng.permutation(across**2)[:count]
        room = cell / 2 - _REACH_PX
        if room < 0:
            raise SystemExit(f"{count} nuclei of up to {2 * _REACH_PX} px do not fit in {side} px")
        middle = (np.stack(np.divmod(place, across), axis=1) + 0.5) * cell
        centre = middle + rng.uniform(-room, room, (count, 2))
        order = np.lexsort(centre.T[::-1])
        axes, turn = rng.uniform(7, 14, (count, 2)), rng.uniform(0, np.pi, count)
        return cls(centre[order], axes, turn, rng.choice(VALUES, count).astype(np.uint8))

    def window(self, number: int) -> tuple[int, int, NDArray[np.bool_]]:
        """Top, left and the pixels of one, ``(h, w)``."""
        y, x = self.centre[number]
        top, left = int(y) - _REACH_PX, int(x) - _REACH_PX
        rows, columns = np.mgrid[top : top + 2 * _REACH_PX, left : left + 2 * _REACH_PX]
        down, right = rows + 0.5 - y, columns + 0.5 - x
        cos, sin = np.cos(self.turn[number]), np.sin(self.turn[number])
        along, across = right * cos + down * sin, down * cos - right * sin
        a, b = self.axes[number]
        return top, left, (along / a) ** 2 + (across / b) ** 2 <= 1

    def painted(self, shard: Shard, shape: tuple[int, int], areas: NDArray[np.int64]) -> Block:
        """One shard of the class map; what each nucleus covers of it is added to ``areas``."""
        rows, columns = shard_slices(shard, shape)
        block = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        first = np.array([rows.start, columns.start]) - _REACH_PX
        last = np.array([rows.stop, columns.stop]) + _REACH_PX
        near = ((self.centre >= first) & (self.centre <= last)).all(axis=1)
        for number in np.flatnonzero(near):
            top, left, inside = self.window(number)
            down, right = np.nonzero(inside)
            y, x = down + top - rows.start, right + left - columns.start
            within = (y >= 0) & (y < block.shape[0]) & (x >= 0) & (x < block.shape[1])
            block[y[within], x[within]] = self.value[number]
            areas[number] += within.sum()
        return block


def header(side: int) -> StoreHeader:
    """Of the store that the label lies in; it has no image."""
    return StoreHeader("0123456789ABCDEF", side, side, MPP, MPP, MPP)


def make_label(folder: Path, nuclei: Nuclei, side: int) -> NDArray[np.int64]:
    """Write the label, shard by shard; returns the pixels of each nucleus."""
    zarr.create_group(folder, zarr_format=3)
    recipe = LabelRecipe(LABEL, _CLASSES, {"origin": "model"})
    writer = LabelWriter(folder, header(side), recipe)
    areas = np.zeros(len(nuclei.value), np.int64)
    for shard in writer.class_map.shards:
        writer.class_map.write(shard, nuclei.painted(shard, (side, side), areas))
    writer.finish()
    return areas


def _label(folder: str) -> LabelImage:
    found = zarr.open_group(Path(folder), mode="r")
    side = int(found[f"labels/{LABEL.replace('/', '.')}/0"].shape[0])  # type: ignore[union-attr]  # an array of the label
    return LabelImage(Path(folder), LABEL, header=header(side))


def ours(folder: str, target: str) -> float:
    """What ``pathoai`` does with a class map."""
    label = _label(folder)
    return write_object_batches(Path(target), found_objects(label, classes=VALUES))


Outlines = tuple[NDArray[np.object_], NDArray[np.uint8]]


def _by_blocks(folder: str, target: str, work: Callable[[Block], Outlines]) -> float:
    """Each block by itself, by as many threads; blocks are read as ours are."""
    label = _label(folder)
    shape: tuple[int, int] = label.array().shape

    def outlined(shard: Shard) -> ObjectTable:
        rows, columns = shard_slices(shard, shape)
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        outlines, values = work(label.reader.read(columns.start, rows.start, size))
        moved = shapely.transform(outlines, lambda xy: xy + np.array([columns.start, rows.start]))
        areas = (shapely.area(moved) * MPP**2).astype(np.float32)
        return ObjectTable(moved, values, np.ones(len(values), np.float32), areas, {"origin": ""})

    with ThreadPoolExecutor(THREADS) as pool:
        tables = in_order(pool, outlined, shards_of(shape), depth=2 * THREADS)
        return write_object_batches(Path(target), tables)


def gdal(folder: str, target: str) -> float:
    """``rasterio.features.shapes``, whose answers are dictionaries of coordinates."""
    from rasterio import features
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

    def work(block: Block) -> Outlines:
        found = list(features.shapes(block, mask=block > 0, connectivity=4))
        outlines = np.empty(len(found), object)
        outlines[:] = [shapely.geometry.shape(one) for one, _ in found]
        return outlines, np.array([value for _, value in found], np.uint8)

    return _by_blocks(folder, target, work)


def opencv(folder: str, target: str) -> float:
    """``cv2.findContours``, class by class, with holes: lines through the centres of pixels."""
    import cv2

    cv2.setNumThreads(1)

    def work(block: Block) -> Outlines:
        outlines: list[shapely.Polygon] = []
        values: list[int] = []
        for value in VALUES:
            mask = (block == value).astype(np.uint8)
            found, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
            for number, contour in enumerate(found):
                if tree[0, number, 3] < 0 and len(contour) > 2:
                    holes = [
                        found[hole][:, 0] + 0.5
                        for hole in np.flatnonzero(tree[0, :, 3] == number)
                        if len(found[hole]) > 2
                    ]
                    outlines.append(shapely.Polygon(contour[:, 0] + 0.5, holes))
                    values.append(value)
        column = np.empty(len(outlines), object)
        column[:] = outlines
        return column, np.array(values, np.uint8)

    return _by_blocks(folder, target, work)


def blocks_alone(folder: str, target: str) -> float:
    """What it costs to read the label."""
    return _by_blocks(folder, target, lambda _: (np.empty(0, object), np.empty(0, np.uint8)))


WAYS: dict[str, Callable[[str, str], float]] = {
    "pathoai": ours,
    "rasterio.features.shapes": gdal,
    "cv2.findContours": opencv,
    "reading the label alone": blocks_alone,
}


@dataclass(frozen=True)
class Answer:
    """What one way found, beside the truth.

    Args:
        objects: How many outlines it gave.
        matched: Nuclei that are one outline each, of the right class.
        area_error: Mean of the differences of area of these, relative to the nucleus.
        total_area: Of all outlines, relative to that of the nuclei.
    """

    objects: int
    matched: int
    area_error: float
    total_area: float

    @classmethod
    def of(cls, path: Path, nuclei: Nuclei, areas: NDArray[np.int64]) -> Answer:
        """Compare a table with the truth; outlines lie at the nucleus that holds their centroid."""
        found = read_objects(path)
        centroid = shapely.get_coordinates(shapely.centroid(found.geometry))[:, ::-1]
        _, nearest = KDTree(nuclei.centre).query(centroid)
        times = np.bincount(nearest, minlength=len(areas))
        alone = (times[nearest] == 1) & (nuclei.value[nearest] == found.class_index)
        own, truth = shapely.area(found.geometry), areas[nearest]
        error = abs(own - truth)[alone] / truth[alone]
        mean = float(error.mean()) if len(error) else float("nan")
        return cls(len(found), int(alone.sum()), mean, float(own.sum() / areas.sum()))


def painted_back(path: Path, folder: Path, side: int) -> tuple[bool, float]:
    """Whether the outlines of a table, painted, are the label again; CPU seconds of painting."""
    label, found, seconds = _label(str(folder)), read_objects(path), 0.0
    tree, grid = shapely.STRtree(found.geometry), Grid(Size(side, side), 1.0, 1.0)
    for shard in shards_of((side, side)):
        rows, columns = shard_slices(shard, (side, side))
        near = tree.query(shapely.box(columns.start, rows.start, columns.stop, rows.stop))
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        start = time.process_time()
        shapes = zip(found.geometry[near], found.class_index[near].tolist(), strict=True)
        painted = rasterise(shapes, grid, origin_px=(columns.start, rows.start), size_px=size)
        seconds += time.process_time() - start
        if not np.array_equal(painted, label.reader.read(columns.start, rows.start, size)):
            return False, seconds
    return True, seconds


def _head(nuclei: int) -> list[str]:
    return [
        "# From a dense label to polygons",
        "",
        machine(["rasterio", "opencv-python-headless", "shapely", "pyarrow", "numpy"]),
        "",
        f"`python benchmarks/vectorise.py`: a class map with {nuclei:,} ellipses of five",
        "classes, none of which touches another, in shards of 2,048 px; from the stored label to",
        f"GeoParquet by {THREADS} threads, each way in processes of its own, interleaved; medians.",
        "Peers outline each block by itself: what a border between blocks cuts stays cut. The peak",
        "is of the whole process, interpreter and imports included. A nucleus is found if exactly",
        "one outline of its class lies at it; its area is compared with its pixels.",
        "",
        "| way | wall s | CPU s | time ÷ ours | CPU ÷ ours | peak MB | outlines | nuclei found "
        "| area error of these | area of all |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]


def report(
    costs: dict[str, Cost], answers: dict[str, Answer], back: tuple[bool, float], nuclei: int
) -> str:
    """The page."""
    ours, lines = costs["pathoai"], _head(nuclei)
    for name, cost in costs.items():
        answer = answers.get(name)
        said = (
            f"{answer.objects:,} | {answer.matched:,} | {answer.area_error:.2%} "
            f"| {answer.total_area:.2%}"
            if answer
            else "– | – | – | –"
        )
        lines.append(
            f"| {name} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.wall_s / ours.wall_s:.2f} "
            f"| {cost.cpu_s / ours.cpu_s:.2f} "
            f"| {cost.peak_mb:.0f} | {said} |"
        )
    same, seconds = back
    again = "the label again, pixel by pixel" if same else "**not** the label"
    painted = (
        f"Our outlines, painted (`pathoai/vector/rasterise.py`, {seconds:.1f} s of CPU): {again}."
    )
    return "\n".join([*lines, "", painted, ""])


def main() -> None:
    """Make the label, measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--side", type=int, default=SIDE_PX, help="of the label, pixels")
    parser.add_argument("--nuclei", type=int, default=NUCLEI)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    nuclei = Nuclei.drawn(options.nuclei, options.side)
    with tempfile.TemporaryDirectory() as name:
        folder, tables = Path(name) / "label.zarr", Path(name)
        areas = make_label(folder, nuclei, options.side)
        paths = {way: tables / f"{number}.parquet" for number, way in enumerate(WAYS)}
        works = {way: (work, (str(folder), str(paths[way]))) for way, work in WAYS.items()}
        costs = medians(works, options.repeats)
        answers = {
            way: Answer.of(path, nuclei, areas)
            for way, path in paths.items()
            if way != "reading the label alone"
        }
        back = painted_back(paths["pathoai"], folder, options.side)
    text = report(costs, answers, back, options.nuclei)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
