"""Objects of a label, in columns: GeoParquet 1.1 (https://geoparquet.org), which GIS tools read."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.provenance import result_software

_SOFTWARE = "software"
_COLUMNS = ("geometry", "class_index", "probability", "area_um2")


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """Objects found on one slide.

    Args:
        geometry: ``(N,)`` object array of shapely polygons or points, level-0 pixels.
        class_index: ``(N,)`` uint8, values of the ontology.
        probability: ``(N,)`` float32, 0 to 1; 1 where the source gives none.
        area_um2: ``(N,)`` float32.
        source: Where they come from: at least ``origin``, and the model's or method's identity.
        columns: What else is known of each, ``(N,)`` by the name of its column.
    """

    geometry: NDArray[np.object_]
    class_index: NDArray[np.uint8]
    probability: NDArray[np.float32]
    area_um2: NDArray[np.float32]
    source: dict[str, Any]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and probabilities outside 0 to 1."""
        lengths = {len(self.geometry), len(self.class_index), len(self.probability)}
        lengths |= {len(column) for column in self.columns.values()}
        if lengths != {len(self.area_um2)}:
            raise InvalidValueError("object columns differ in length", found=sorted(lengths))
        if len(self) and not (self.probability.min() >= 0 and self.probability.max() <= 1):
            raise InvalidValueError("probabilities of objects", allowed="0 to 1")

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.area_um2)

    @classmethod
    def joined(cls, parts: Sequence[ObjectTable]) -> ObjectTable:
        """One table of several, at least one, of the same source and columns."""
        first = parts[0]
        return cls(
            np.concatenate([part.geometry for part in parts]),
            np.concatenate([part.class_index for part in parts]),
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.area_um2 for part in parts]),
            first.source,
            {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns},
        )


def write_objects(path: Path, objects: ObjectTable) -> None:
    """Write the table, with the software that made it; an old one stays until the new is whole."""
    write_object_batches(path, [objects])


def write_object_batches(path: Path, batches: Iterable[ObjectTable]) -> int:
    """Write a table a part at a time; an old one stays until the new one is whole.

    Args:
        path: Of the table.
        batches: One or more, of the same source, columns and kinds of outlines.

    Returns:
        How many objects it holds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    parts = iter(batches)
    objects = next(parts)
    schema = _arrow_table(objects).schema
    count = 0
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as file:
            for part in chain([objects], parts):
                file.write_table(_arrow_table(part).cast(schema))
                count += len(part)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _arrow_table(objects: ObjectTable) -> pa.Table:
    kinds = {outline.geom_type for outline in objects.geometry}
    column = {
        "encoding": "WKB",
        "geometry_types": sorted({"MultiPolygon", "Polygon", *kinds}),
        "crs": None,
        "edges": "planar",
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return pa.table(
        {
            "geometry": pa.array(shapely.to_wkb(objects.geometry), pa.binary()),
            "class_index": objects.class_index,
            "probability": objects.probability,
            "area_um2": objects.area_um2,
            **objects.columns,
        }
    ).replace_schema_metadata(
        {
            "geo": json.dumps(geo),
            "pathoai": json.dumps(objects.source, sort_keys=True),
            _SOFTWARE: json.dumps(result_software()),
        }
    )


def read_objects(path: Path) -> ObjectTable:
    """Read a table back.

    Raises:
        StoreError: There is none, or the file is damaged.
    """
    if not path.exists():
        raise StoreError(
            "no objects of that label were written for the slide",
            where=f"{path.parent.name} {path.stem}",
            remedy="run `pathoai predict` or `pathoai label` first",
        )
    try:
        table = pq.read_table(path)
        source = json.loads((table.schema.metadata or {})[b"pathoai"])
        wkb = np.asarray(table["geometry"].to_pylist(), dtype=object)
        return ObjectTable(
            np.atleast_1d(np.asarray(shapely.from_wkb(wkb), dtype=object)),
            table["class_index"].to_numpy(),
            table["probability"].to_numpy(),
            table["area_um2"].to_numpy(),
            source,
            {name: table[name].to_numpy() for name in table.column_names if name not in _COLUMNS},
        )
    except (pa.ArrowException, OSError, KeyError, ValueError, shapely.GEOSException) as error:
        raise StoreError(
            "damaged object table",
            where=f"{path.parent.name} {path.stem}",
            found=str(error).replace(str(path), "the file"),
            remedy="run the command that made it again",
        ) from error


def software_of_objects(path: Path) -> dict[str, str]:
    """Versions of what made a table; empty where an earlier version of pathoai wrote it.

    Raises:
        StoreError: There is none, or the file is damaged.
    """
    try:
        found: dict[str, str] = json.loads(
            (pq.read_schema(path).metadata or {}).get(b"software", "{}")
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError("damaged object table", where=f"{path.parent.name} {path.stem}") from error
    return found
