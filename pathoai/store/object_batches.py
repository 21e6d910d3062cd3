"""Objects of a label a part at a time, so that memory does not grow with their number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from pathoai.errors import StoreError
from pathoai.store.objects import ObjectTable

_BATCH = 1 << 14


def object_batches(path: Path) -> Iterator[ObjectTable]:
    """All objects of a table, in its order, at most 16384 at once; none of an empty one.

    Raises:
        StoreError: There is no table, or the file is damaged.
    """
    where = f"{path.parent.name} {path.stem}"
    if not path.exists():
        raise StoreError(
            "no objects of that label were written for the slide",
            where=where,
            remedy="run `pathoai predict` or `pathoai label` first",
        )
    try:
        with pq.ParquetFile(path) as file:
            source = json.loads((file.schema_arrow.metadata or {})[b"pathoai"])
            for batch in file.iter_batches(_BATCH):
                wkb = np.asarray(batch["geometry"].to_pylist(), dtype=object)
                yield ObjectTable(
                    np.atleast_1d(np.asarray(shapely.from_wkb(wkb), dtype=object)),
                    batch["class_index"].to_numpy(),
                    batch["probability"].to_numpy(),
                    batch["area_um2"].to_numpy(),
                    source,
                )
    except (pa.ArrowException, OSError, KeyError, ValueError, shapely.GEOSException) as error:
        raise StoreError(
            "damaged object table",
            where=where,
            found=str(error).replace(str(path), "the file"),
            remedy="run the command that made it again",
        ) from error
