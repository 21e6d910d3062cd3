"""Labels of a store: class maps and probabilities on the image's own grid, as OME-Zarr labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED, LabelClass
from pathoai.store import ome
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.map_reader import MapReader
from pathoai.store.pyramid import ReadBlock, Reducer, block_mean, build_level, first_of_block
from pathoai.store.shards import (
    CHUNK_PX,
    SHARD_PX,
    ShardWriter,
    create_array,
    remove_partial_writes,
)
from pathoai.store.write_journal import WriteJournal

PROBABILITY = "probability"
UNCERTAINTY = "uncertainty"
INSTANCE = "instance"
ReadLevel = Callable[[int], zarr.Array[Any]]
_NAME = re.compile(r"[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


def group_name(label_name: str) -> str:
    """The Zarr group of a label: ``prediction/nuclei`` lies at ``labels/prediction.nuclei``.

    OME-Zarr allows labels in nested groups, but its validators and viewers look one level deep.
    """
    return label_name.replace("/", ".", 1)


@dataclass(frozen=True)
class LabelRecipe:
    """What a label is.

    Args:
        name: Kind and name, e.g. ``prediction/nuclei``; a plain ``tissue`` is a kind of its own.
        classes: Meaning of its values.
        factor: Store pixels per pixel of its finest level.
        about: Where it comes from: at least ``origin`` and, for proposals, ``status``.
        probability_channels: Names of the classes whose probabilities are kept beside the class
            map, in the order of their channels; none for a label without probabilities.
        with_instances: Objects are numbered beside the class map.
        uncertainty_channels: Names of the measures of uncertainty that are kept beside the class
            map, as probabilities are; 255 for the largest value that classes allow.
    """

    name: str
    classes: Sequence[LabelClass]
    about: dict[str, Any]
    factor: int = 1
    probability_channels: tuple[str, ...] = field(default=())
    with_instances: bool = False
    uncertainty_channels: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse names that could not be told apart once they are groups."""
        if not _NAME.fullmatch(self.name):
            raise InvalidValueError(
                "malformed label name",
                found=repr(self.name),
                allowed="a kind in lower case, then / and letters, digits, '.', '_' or '-'",
            )


class LabelWriter:
    """A label under construction, resumable like the image.

    A label of that name but of other provenance is replaced, e.g. the prediction of an earlier
    version of the model.
    """

    def __init__(self, store_path: Path, header: StoreHeader, recipe: LabelRecipe) -> None:
        """Create the arrays, or find those of an unfinished run of the same recipe."""
        self._store_path = store_path
        self._header = header
        self._recipe = recipe
        # OME-Zarr wants as many levels in a label as in its image, wherever the label starts.
        self.factors = [recipe.factor * f for f in header.factors]
        self._journal = WriteJournal(store_path.with_name(f"{store_path.stem}.{self._file_name}"))
        self._group = self._open_or_create()
        self._maps = self._levels(self._group, (), NOT_ASSESSED)
        self.class_map = ShardWriter(store_path, self._maps[0], self._journal)
        self._probabilities = self._channels(PROBABILITY, recipe.probability_channels)
        self._uncertainties = self._channels(UNCERTAINTY, recipe.uncertainty_channels)
        self._instances: list[zarr.Array[Any]] = []
        if recipe.with_instances:
            inner = self._group.require_group(INSTANCE)
            self._instances = self._levels(inner, (), np.uint32(0))

    @property
    def about(self) -> dict[str, Any]:
        """Where the label comes from."""
        return self._recipe.about

    @property
    def _file_name(self) -> str:
        return group_name(self._recipe.name)

    @property
    def probability(self) -> ShardWriter:
        """The writer of probabilities, uint8, 255 for certainty."""
        return ShardWriter(self._store_path, self._probabilities[0], self._journal)

    @property
    def uncertainty(self) -> ShardWriter:
        """The writer of uncertainties, uint8, 255 for the largest that classes allow."""
        return ShardWriter(self._store_path, self._uncertainties[0], self._journal)

    @property
    def instance(self) -> ShardWriter:
        """The writer of the objects' numbers, uint32, 0 outside objects."""
        return ShardWriter(self._store_path, self._instances[0], self._journal)

    def _open_or_create(self) -> zarr.Group:
        path = f"labels/{self._file_name}"
        root = zarr.open_group(self._store_path, mode="r+", zarr_format=3)
        if path in root:
            group = root[path]
            attributes = dict(group.attrs).get("pathoai")
            about = attributes.get("about") if isinstance(attributes, dict) else None
            if isinstance(group, zarr.Group) and about == self._recipe.about:
                remove_partial_writes(self._store_path / path)
                return group
        root.require_group("labels")
        group = root.create_group(path, overwrite=True)
        self._journal.forget()
        group.attrs.put(self._attributes(complete=False))
        return group

    def _channels(self, part: str, names: tuple[str, ...]) -> list[zarr.Array[Any]]:
        return self._levels(self._group.require_group(part), (len(names),), 0) if names else []

    def _levels(
        self, group: zarr.Group, lead: tuple[int, ...], fill: int | np.uint32
    ) -> list[zarr.Array[Any]]:
        arrays = []
        for index, factor in enumerate(self.factors):
            size = _grid(self._header, factor).size_px
            found = group.get(str(index))
            if not isinstance(found, zarr.Array):
                shape = (*lead, size.height, size.width)
                found = create_array(group, str(index), shape, fill=fill)
            arrays.append(found)
        return arrays

    def _attributes(self, *, complete: bool) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "ome": ome.label_attributes(
                recipe.name, self.factors, self._header.pixel_mpp, recipe.classes
            ),
            "pathoai": {
                "complete": complete,
                "about": recipe.about,
                "factor": recipe.factor,
                "probability_channels": list(recipe.probability_channels),
                "with_instances": recipe.with_instances,
                "uncertainty_channels": list(recipe.uncertainty_channels),
                "shards": {},
            },
        }

    def finish(self, class_map: NDArray[np.uint8] | None = None) -> None:
        """Build the coarser levels, note every hash, and list the label in its store.

        Args:
            class_map: The finest level ``(height, width)`` uint8, where it is still at hand; it is
                read back otherwise.
        """
        self._build(self._maps, first_of_block, _part_of(class_map))
        means = ((PROBABILITY, self._probabilities), (UNCERTAINTY, self._uncertainties))
        for part, levels in means:
            if levels:
                self._build(levels, block_mean)
                self._describe(part, channels=True)
        if self._instances:
            self._build(self._instances, first_of_block)
            self._describe(INSTANCE, channels=False)
        attributes = self._attributes(complete=True)
        attributes["pathoai"]["shards"] = self._journal.hashes(f"labels/{self._file_name}")
        self._group.attrs.put(attributes)
        _list_label(self._store_path, self._recipe.name)
        self._journal.forget()

    def _describe(self, part: str, *, channels: bool) -> None:
        """Make a part of the label an OME-Zarr image of its own."""
        mpp, name = self._header.pixel_mpp, f"{self._recipe.name} {part}"
        scales = ome.multiscales(name, self.factors, mpp, channels=channels)
        inner = self._group.require_group(part)
        inner.attrs.put({"ome": {"version": ome.VERSION, "multiscales": [scales]}})

    def _build(
        self,
        levels: list[zarr.Array[Any]],
        reduce: Reducer,
        read_finest: ReadBlock | None = None,
    ) -> None:
        for index, (below, level) in enumerate(pairwise(levels)):
            writer = ShardWriter(self._store_path, level, self._journal)
            step = self.factors[index + 1] // self.factors[index]
            read = read_finest if read_finest and index == 0 else _block_reader(below)
            build_level(read, writer, reduce, step)


def _block_reader(array: zarr.Array[Any]) -> ReadBlock:
    return lambda rows, columns: np.asarray(array[..., rows, columns])


def _part_of(class_map: NDArray[np.uint8] | None) -> ReadBlock | None:
    return None if class_map is None else lambda rows, columns: class_map[rows, columns]


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
        self._factor = int(about["factor"])
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
        """The chunks of the finest level, straight from its shards."""
        layout = LevelLayout(self._factor, self.grid().size_px, CHUNK_PX, SHARD_PX, ChunkCoding())
        return MapReader(self._path / "0", layout, f"{self._header.slide_id} {self.name}")

    @property
    def mpp(self) -> float:
        """Scale of the finest level, µm per pixel, the mean of both axes."""
        return self._header.mpp * self._factor

    @property
    def pixel_mpp(self) -> Mpp:
        """Scale of the finest level along each axis."""
        store = self._header.pixel_mpp
        return Mpp(store.x * self._factor, store.y * self._factor)

    def grid(self, level: int = 0) -> Grid:
        """The raster of a level over the slide."""
        return _grid(self._header, self.factors[level])

    def array(self, level: int = 0) -> zarr.Array[Any]:
        """The class map of a level, ``(height, width)`` uint8; 255 where nothing was assessed."""
        return _array(self._group, str(level))

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
        """What lies beside the class map, in channels, by the name of its group."""
        planes = (
            (PROBABILITY, self.probability_channels),
            (UNCERTAINTY, self.uncertainty_channels),
        )
        return {name: partial(self._plane, name) for name, channels in planes if channels}

    def _plane(self, name: str, level: int) -> zarr.Array[Any]:
        return _array(self._group, f"{name}/{level}")

    def instances(self, level: int = 0) -> zarr.Array[Any]:
        """Numbers of the objects of a level, ``(height, width)`` uint32; 0 outside objects.

        Raises:
            StoreError: The label's objects are not numbered.
        """
        return _array(self._group, f"{INSTANCE}/{level}")

    def read(self, x_px: int, y_px: int, size_px: Size, level: int = 0) -> NDArray[np.uint8]:
        """A part of the class map, ``(height, width)`` uint8; 255 outside the image.

        Args:
            x_px: Left edge in pixels of the level; may be negative.
            y_px: Top edge likewise.
            size_px: What to read, likewise.
            level: Index of the level.
        """
        return _part(self.array(level), x_px, y_px, size_px, NOT_ASSESSED)

    def read_instances(
        self, x_px: int, y_px: int, size_px: Size, level: int = 0
    ) -> NDArray[np.uint32]:
        """Numbers of the objects in a part, ``(height, width)`` uint32; as :meth:`read`."""
        return _part(self.instances(level), x_px, y_px, size_px, 0)

    def read_all(self, level: int = 0) -> NDArray[np.uint8]:
        """The whole class map of a level, ``(height, width)`` uint8."""
        return np.asarray(self.array(level)[:], dtype=np.uint8)


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
    """Names of the finished labels of a store."""
    if not (store_path / "labels" / "zarr.json").exists():
        return ()
    attributes = dict(zarr.open_group(store_path / "labels", mode="r", zarr_format=3).attrs)
    ome_attribute: Any = attributes.get("ome", {})
    return tuple(name.replace(".", "/", 1) for name in ome_attribute.get("labels", ()))


def _list_label(store_path: Path, name: str) -> None:
    group = zarr.open_group(store_path / "labels", mode="r+", zarr_format=3)
    names = sorted(group_name(n) for n in {*label_names(store_path), name})
    group.attrs.put({"ome": {"version": ome.VERSION, "labels": names}})


def _grid(header: StoreHeader, factor: int) -> Grid:
    return header.grid.coarser(factor) if factor > 1 else header.grid


def _array(group: zarr.Group, path: str) -> zarr.Array[Any]:
    found = group.get(path)
    if not isinstance(found, zarr.Array):
        raise StoreError("the label has no such array", where=group.path, found=path)
    return found
