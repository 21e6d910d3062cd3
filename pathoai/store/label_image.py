"""Finished labels of a store: class maps and what lies beside them, as OME-Zarr labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED, LabelClass
from pathoai.store.chunk_coding import MAP_CODING
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.map_reader import MapReader
from pathoai.store.shards import (
    CHUNK_PX,
    SHARD_PX,
)

PROBABILITY = "probability"
UNCERTAINTY = "uncertainty"
INSTANCE = "instance"
ReadLevel = Callable[[int], zarr.Array[Any]]


def group_name(label_name: str) -> str:
    """The Zarr group of a label: ``prediction/nuclei`` lies at ``labels/prediction.nuclei``.

    OME-Zarr allows labels in nested groups, but its validators and viewers look one level deep.
    """
    return label_name.replace("/", ".", 1)


class LabelImage:
    """A finished label, open for reading.

    Raises:
        StoreError: There is none of that name, or it is not complete.
    """

    def __init__(self, store_path: Path, name: str, *, header: StoreHeader) -> None:
        """Read the metadata."""
        self.name = name
        self._header = header
        path = f"labels/{group_name(name)}"
        if not (store_path / path / "zarr.json").exists():
            raise StoreError(
                "the store has no such label",
                where=header.slide_id,
                found=repr(name),
                allowed=", ".join(label_names(store_path)) or "none yet",
            )
        self._path = store_path / path
        self._group = zarr.open_group(self._path, mode="r", zarr_format=3)
        attributes = dict(self._group.attrs)
        about: Any = attributes["pathoai"]
        if not about["complete"]:
            raise StoreError(
                "the label is not complete: an earlier run was interrupted",
                where=f"{header.slide_id} {name}",
                remedy="run the command that makes it again; it goes on where it stopped",
            )
        self.about: dict[str, Any] = about["about"]
        self.shards: dict[str, str] = about["shards"]
        self.probability_channels: tuple[str, ...] = tuple(about["probability_channels"])
        self.uncertainty_channels: tuple[str, ...] = tuple(about.get("uncertainty_channels", ()))
        self.with_instances = bool(about.get("with_instances"))
        self.made_on: dict[str, Any] = about.get("made_on", {})
        self._factor: int | float = about["factor"]
        self.factors = [self._factor * f for f in header.factors]

    @property
    def classes(self) -> dict[str, int]:
        """Values of the class map by their keys, without background and what nobody assessed."""
        ome_attribute: Any = self._group.attrs["ome"]
        properties = ome_attribute["image-label"]["properties"]
        values = {shown["class"]: int(shown["label-value"]) for shown in properties}
        return {k: v for k, v in values.items() if v not in (BACKGROUND_INDEX, NOT_ASSESSED)}

    @property
    def shown_classes(self) -> tuple[LabelClass, ...]:
        """The same with the names and colours that the label was written with.

        OME-Zarr has one name for each; it stands for the French one too.
        """
        ome_attribute: Any = self._group.attrs["ome"]
        image_label = ome_attribute["image-label"]
        named = {p["label-value"]: p["name"] for p in image_label["properties"]}
        coloured = {c["label-value"]: c["rgba"][:3] for c in image_label["colors"]}
        return tuple(
            LabelClass(value, key, named[value], named[value], f"#{bytes(coloured[value]).hex()}")
            for key, value in self.classes.items()
        )

    @cached_property
    def reader(self) -> MapReader:
        """The finest level of the class map, straight from its shards."""
        return MapReader(self._path / "0", self._layout, f"{self._header.slide_id} {self.name}")

    @cached_property
    def instance_reader(self) -> MapReader:
        """The finest numbers of the objects, straight from their shards; 0 outside objects."""
        name = f"{self._header.slide_id} {self.name} {INSTANCE}"
        folder = self._path / INSTANCE / "0"
        return MapReader(folder, self._layout, name, dtype=np.uint32, absent=0)

    @cached_property
    def probability_reader(self) -> MapReader:
        """The finest probabilities, straight from their shards; 0 where nothing is stored."""
        lead, name = (len(self.probability_channels),), f"{self._header.slide_id} {self.name}"
        folder = self._path / PROBABILITY / "0"
        return MapReader(folder, self._layout, f"{name} {PROBABILITY}", lead=lead, absent=0)

    @property
    def _layout(self) -> LevelLayout:
        return LevelLayout(self._factor, self.grid().size_px, CHUNK_PX, SHARD_PX, MAP_CODING)

    @property
    def mpp(self) -> float:
        """Scale of the finest level, µm per pixel, the mean of both axes."""
        return self._header.mpp * self._factor

    @property
    def pixel_mpp(self) -> Mpp:
        """Scale of the finest level along each axis."""
        store = self._header.pixel_mpp
        return Mpp(store.x * self._factor, store.y * self._factor)

    @property
    def pixel_area_um2(self) -> float:
        """Area of a pixel of the finest level, which may be a tile larger than a scan's pixels."""
        return self._header.pixel_mpp.pixel_area_um2 * self._factor**2

    def grid(self, level: int = 0) -> Grid:
        """The raster of a level over the slide."""
        return label_grid(self._header, self.factors[level])

    def array(self, level: int = 0) -> zarr.Array[Any]:
        """The class map of a level, ``(height, width)`` uint8; 255 where nothing was assessed."""
        return array_in(self._group, str(level))

    def probability(self, level: int = 0) -> zarr.Array[Any]:
        """Probabilities of a level, ``(channels, height, width)`` uint8, 255 for certainty.

        Raises:
            StoreError: The label has no probabilities.
        """
        return self._plane(PROBABILITY, level)

    def uncertainty(self, level: int = 0) -> zarr.Array[Any]:
        """Uncertainties of a level, ``(channels, height, width)`` uint8; as :meth:`probability`."""
        return self._plane(UNCERTAINTY, level)

    @property
    def planes(self) -> dict[str, ReadLevel]:
        """What lies beside the class map, by the name of its group."""
        planes = (
            (PROBABILITY, self.probability_channels),
            (UNCERTAINTY, self.uncertainty_channels),
        )
        found = {name: partial(self._plane, name) for name, channels in planes if channels}
        return found | ({INSTANCE: partial(self._plane, INSTANCE)} if self.with_instances else {})

    def _plane(self, name: str, level: int) -> zarr.Array[Any]:
        return array_in(self._group, f"{name}/{level}")

    def instances(self, level: int = 0) -> zarr.Array[Any]:
        """Numbers of the objects of a level, ``(height, width)`` uint32; 0 outside objects.

        Raises:
            StoreError: The label's objects are not numbered.
        """
        return self._plane(INSTANCE, level)

    def read(self, x_px: int, y_px: int, size_px: Size, level: int = 0) -> NDArray[np.uint8]:
        """A part of the class map, ``(height, width)`` uint8; 255 outside the image.

        Args:
            x_px: Left edge in pixels of the level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, likewise.
            level: Index of the level.

        Raises:
            StoreError: The label was damaged after it was written.
        """
        with self.reading():
            return _part(self.array(level), x_px, y_px, size_px, NOT_ASSESSED)

    def read_instances(
        self, x_px: int, y_px: int, size_px: Size, level: int = 0
    ) -> NDArray[np.uint32]:
        """Numbers of the objects in a part, ``(height, width)`` uint32; as :meth:`read`."""
        with self.reading():
            return _part(self.instances(level), x_px, y_px, size_px, 0)

    def read_all(self, level: int = 0) -> NDArray[np.uint8]:
        """The whole class map of a level, ``(height, width)`` uint8.

        Raises:
            StoreError: The label was damaged after it was written.
        """
        with self.reading():
            return np.asarray(self.array(level)[:], dtype=np.uint8)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the label's arrays are read: what zarr and its codecs say of damage is our error.

        Raises:
            StoreError: The label was damaged after it was written.
        """
        try:
            yield
        except (ValueError, RuntimeError, OSError) as error:
            raise StoreError(
                "the label is damaged",
                where=f"{self._header.slide_id} {self.name}",
                found=str(error).partition(".")[0],
                remedy="`pathoai store verify` lists all damage; make the label again",
            ) from error


def _part(array: zarr.Array[Any], x_px: int, y_px: int, size_px: Size, fill: int) -> NDArray[Any]:
    """A part of an array, which may reach past its edges."""
    height, width = array.shape
    left, top = max(x_px, 0), max(y_px, 0)
    right, bottom = min(x_px + size_px.width, width), min(y_px + size_px.height, height)
    out = np.full((size_px.height, size_px.width), fill, array.dtype)
    if left < right and top < bottom:
        inside = np.s_[top - y_px : bottom - y_px, left - x_px : right - x_px]
        out[inside] = array[top:bottom, left:right]
    return out


def is_label_complete(store_path: Path, name: str, about: dict[str, Any]) -> bool:
    """True where a label of that name and provenance is finished."""
    path = store_path / "labels" / group_name(name)
    # Listing is the last step: a run killed just before it has one thing left to do.
    if not (path / "zarr.json").exists() or name not in label_names(store_path):
        return False
    found = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs).get("pathoai")
    return isinstance(found, dict) and bool(found["complete"]) and found["about"] == about


def label_names(store_path: Path) -> tuple[str, ...]:
    """Names of the finished labels of a store.

    Raises:
        StoreError: The list of them cannot be read.
    """
    if not (store_path / "labels" / "zarr.json").exists():
        return ()
    try:
        attributes = dict(zarr.open_group(store_path / "labels", mode="r", zarr_format=3).attrs)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "the store's list of labels is damaged",
            where=f"{store_path.stem} labels/zarr.json",
            found=str(error),
            remedy="delete that file and run the commands that made the labels again",
        ) from error
    ome_attribute: Any = attributes.get("ome", {})
    return tuple(name.replace(".", "/", 1) for name in ome_attribute.get("labels", ()))


def label_grid(header: StoreHeader, factor: float) -> Grid:
    """The raster of a label whose pixels are ``factor`` pixels of the store, or parts of one."""
    return header.grid.coarser(factor) if factor != 1 else header.grid


def array_in(group: zarr.Group, path: str) -> zarr.Array[Any]:
    """An array of a label.

    Raises:
        StoreError: There is none.
    """
    found = group.get(path)
    if not isinstance(found, zarr.Array):
        raise StoreError("the label has no such array", where=group.path, found=path)
    return found
