"""Make a large study in a minute: one square of a real slide, repeated over an ellipse of tissue.

python benchmarks/repeated_store.py REAL.svs STUDY --width 100000 --height 80000 --nuclei 500000

Shards of the same content are links to one file, so that a slide of eight gigapixels takes some ten
megabytes. It is a finished store like any other: what reads it cannot tell.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Size
from pathoai.ontology import BACKGROUND_INDEX, Ontology
from pathoai.provenance import sha256_of_file
from pathoai.slide.open_slide import open_slide
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_object_batches
from pathoai.store.pyramid import block_mean, first_of_block
from pathoai.store.shards import SHARD_PX, ShardWriter
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

SLIDE = "0123456789ABCDEF"
MODEL = "nuclei"
MAPS = f"labels/prediction.{MODEL}/"
_TISSUE_RADIUS = 0.4
"""Of the sides: half of the glass is tissue."""
_NUCLEUS_UM = 4.0
_CORNERS = 16
_KINDS = ("nucleus_neoplastic", "nucleus_lymphocyte", "nucleus_stromal")


def repeated_study(real: Path, folder: Path, size: Size, nuclei: int) -> Study:
    """Write a study with one slide of ``size`` level-0 pixels and a prediction of its nuclei."""
    study = Study.create(folder, ontology="breast")
    Cohort([CohortRow(SLIDE)]).write(folder / "cohort.csv")
    with open_slide(real) as reader:
        square = reader.read_region(0, 0, 0, Size(SHARD_PX, SHARD_PX))
        mpp = reader.info.mpp.mean
    header = StoreHeader(
        SLIDE, size.width, size.height, mpp, mpp, mpp, compression="jpeg", subsampling="420"
    )
    tissue = ellipse(Size(-(-size.width // SHARD_PX), -(-size.height // SHARD_PX)))
    store = study.store_path(SLIDE)
    image = ImageWriter(store, header)
    pattern = np.ascontiguousarray(np.moveaxis(square, -1, 0))
    done: dict[str, str] = {}
    for writer, factor in zip(image.levels, header.factors, strict=True):
        done |= repeat(store, writer, block_mean(pattern, factor), tissue)
    image.journal.restore(done)
    image.finish(made=len(image.levels))
    if nuclei:
        predict(study, header, tissue, nuclei)
    return study


def ellipse(cells: Size) -> NDArray[np.bool_]:
    """``(rows, columns)``: which squares of the slide are tissue."""
    y = (np.arange(cells.height) + 0.5) / cells.height - 0.5
    x = (np.arange(cells.width) + 0.5) / cells.width - 0.5
    inside: NDArray[np.bool_] = np.hypot(y[:, None], x[None]) < _TISSUE_RADIUS
    return inside


def repeat(
    store: Path, writer: ShardWriter, pattern: NDArray[np.uint8], tissue: NDArray[np.bool_]
) -> dict[str, str]:
    """Fill a level with a pattern ``(…, p, p)`` where there is tissue; hashes of its shards."""
    side, fill = pattern.shape[-1], np.uint8(writer.array.fill_value)
    first: dict[tuple[bytes, tuple[int, ...]], str] = {}
    done: dict[str, str] = {}
    for shard in writer.shards:
        rows, columns = writer.slices(shard)
        cells = tissue[rows.start // side : -(-rows.stop // side)]
        cells = cells[:, columns.start // side : -(-columns.stop // side)]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        key, same = writer.key(shard), (cells.tobytes(), shape)
        if not cells.any():
            done[key] = ""
        elif same in first:
            (store / key).parent.mkdir(parents=True, exist_ok=True)
            os.link(store / first[same], store / key)
            done[key] = done[first[same]]
        else:
            pixels = np.tile(pattern, cells.shape)
            glass = ~np.kron(cells, np.ones((side, side), np.bool_))
            pixels[..., glass] = fill
            writer.write(shard, np.ascontiguousarray(pixels[..., : shape[0], : shape[1]]))
            first[same], done[key] = key, sha256_of_file(store / key)
    return done


def predict(study: Study, header: StoreHeader, tissue: NDArray[np.bool_], nuclei: int) -> None:
    """Write about so many nuclei, as a class map and as a table of outlines."""
    ontology, store = study.ontology, study.store_path(SLIDE)
    centres = nuclei_of_square(nuclei // max(1, int(tissue.sum())), header.slide_mpp)
    values = np.array([ontology[kind].index for kind in _KINDS], np.uint8)
    kinds = values[np.arange(len(centres)) % len(values)]
    radius = _NUCLEUS_UM / header.mpp
    recipe = LabelRecipe(
        f"prediction/{MODEL}",
        ontology.classes,
        {"origin": "model", "status": "proposed"},
        with_instances=True,
    )
    label = LabelWriter(store, header, recipe)
    pattern = painted(centres, kinds, radius)
    done: dict[str, str] = {}
    for writer, factor in zip(label.levels, label.factors, strict=True):
        done |= repeat(store, writer, first_of_block(pattern, round(factor)), tissue)
    # Numbers of objects are promised and absent: no viewer asks for them.
    numbers = {key.replace(MAPS, f"{MAPS}instance/", 1): "" for key in done}
    label.journal.restore(done | numbers)
    label.finish()
    source = {"origin": "model", "model": MODEL, "label": recipe.name}
    write_object_batches(
        study.objects_path(SLIDE, recipe.name),
        tables(centres, kinds, radius, tissue, source, ontology),
    )


def nuclei_of_square(count: int, mpp: Mpp) -> NDArray[np.float64]:
    """``(count, 2)`` x and y of nuclei in a square of one shard, none near another."""
    across = int(np.ceil(np.sqrt(count)))
    step = SHARD_PX / across
    jitter = max(0.0, step / 2 - _NUCLEUS_UM / mpp.mean)
    rng = np.random.default_rng(0)
    grid = (np.stack(np.divmod(np.arange(count), across), axis=1) + 0.5) * step
    centres: NDArray[np.float64] = grid + rng.uniform(-jitter, jitter, (count, 2))
    return centres


def painted(
    centres: NDArray[np.float64], kinds: NDArray[np.uint8], radius: float
) -> NDArray[np.uint8]:
    """The class map of a square."""
    pattern = np.full((SHARD_PX, SHARD_PX), BACKGROUND_INDEX, np.uint8)
    reach = int(np.ceil(radius))
    for (x, y), kind in zip(centres, kinds, strict=True):
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        part = pattern[top : int(y) + reach + 1, left : int(x) + reach + 1]
        row, column = np.ogrid[: part.shape[0], : part.shape[1]]
        part[np.hypot(row + top + 0.5 - y, column + left + 0.5 - x) < radius] = kind
    return pattern


def tables(
    centres: NDArray[np.float64],
    kinds: NDArray[np.uint8],
    radius: float,
    tissue: NDArray[np.bool_],
    source: dict[str, str],
    ontology: Ontology,
) -> Iterator[ObjectTable]:
    """The outlines of all squares, row by row."""
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    ring = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    rings = centres[:, None] + ring
    area = np.float32(np.pi * _NUCLEUS_UM**2)
    for row in range(tissue.shape[0]):
        columns = np.flatnonzero(tissue[row])
        if not len(columns):
            continue
        shift = np.stack([columns, np.full(len(columns), row)], axis=1) * SHARD_PX
        outlines = shapely.polygons((shift[:, None, None] + rings).reshape(-1, _CORNERS, 2))
        count = len(outlines)
        yield ObjectTable(
            np.asarray(outlines, object),
            np.tile(kinds, len(columns)),
            np.full(count, 0.9, np.float32),
            np.full(count, area, np.float32),
            {**source, "ontology": ontology.key},
        )


def main() -> None:
    """Write the study that the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="a real slide of at least 2048 × 2048 pixels")
    parser.add_argument("study", type=Path, help="the folder to make")
    parser.add_argument("--width", type=int, default=100_000, help="level-0 pixels")
    parser.add_argument("--height", type=int, default=80_000, help="likewise")
    parser.add_argument("--nuclei", type=int, default=0, help="about so many are predicted")
    options = parser.parse_args()
    repeated_study(options.real, options.study, Size(options.width, options.height), options.nuclei)


if __name__ == "__main__":
    main()
