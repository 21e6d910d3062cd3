"""Labels of a store under construction: class maps and what lies beside them, resumable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.store import ome
from pathoai.store.chunk_coding import MAP_CODING
from pathoai.store.header import LevelLayout, StoreHeader
from pathoai.store.label_image import (
    INSTANCE,
    PROBABILITY,
    UNCERTAINTY,
    group_name,
    label_grid,
    label_names,
)
from pathoai.store.label_levels import LabelLevels, ReadBelow, Reducer
from pathoai.store.map_reader import MapReader
from pathoai.store.pyramid import block_mean, first_of_block
from pathoai.store.shards import (
    CHUNK_PX,
    SHARD_PX,
    ShardWriter,
    create_array,
    remove_partial_writes,
)
from pathoai.store.write_journal import WriteJournal

_NAME = re.compile(r"[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


@dataclass(frozen=True)
class LabelRecipe:
    """What a label is.

    Args:
        name: Kind and name, e.g. ``prediction/nuclei``; a plain ``tissue`` is a kind of its own.
        classes: Meaning of its values.
        factor: Store pixels per pixel of its finest level; any number above 0.
        about: Where it comes from: at least ``origin`` and, for proposals, ``status``.
        probability_channels: Names of the classes whose probabilities are kept beside the class
            map, in the order of their channels; none for a label without probabilities.
        with_instances: Objects are numbered beside the class map.
        uncertainty_channels: Names of the measures of uncertainty that are kept beside the class
            map, as probabilities are; 255 for the largest value that classes allow.
        made_on: What computed it, where that may change its bits: an unfinished label is gone on
            with only by the same, and a finished one counts whatever made it.
    """

    name: str
    classes: Sequence[LabelClass]
    about: dict[str, Any]
    factor: int | float = 1
    probability_channels: tuple[str, ...] = field(default=())
    with_instances: bool = False
    uncertainty_channels: tuple[str, ...] = field(default=())
    made_on: dict[str, Any] | None = None

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
        self.store_path = store_path
        self._header = header
        self._recipe = recipe
        # OME-Zarr wants as many levels in a label as in its image, wherever the label starts.
        self.factors = [recipe.factor * f for f in header.factors]
        self._journal = WriteJournal.of_part(store_path, self._file_name)
        self._group = self._open_or_create()
        self._maps = self._levels(self._group, (), NOT_ASSESSED)
        self.class_map = self._writer(self._maps[0])
        self._probabilities = self._channels(PROBABILITY, recipe.probability_channels)
        self._uncertainties = self._channels(UNCERTAINTY, recipe.uncertainty_channels)
        self._instances: list[zarr.Array[Any]] = []
        if recipe.with_instances:
            inner = self._group.require_group(INSTANCE)
            self._instances = self._levels(inner, (), np.uint32(0))

    @property
    def name(self) -> str:
        """Kind and name."""
        return self._recipe.name

    @property
    def levels(self) -> list[ShardWriter]:
        """The writers of the class map, finest first."""
        return [self._writer(level) for level in self._maps]

    @property
    def journal(self) -> WriteJournal:
        """What is done of the label so far."""
        return self._journal

    @property
    def made_on(self) -> dict[str, Any] | None:
        """What computes it, where that may change its bits."""
        return self._recipe.made_on

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
        return self._writer(self._probabilities[0])

    @property
    def uncertainty(self) -> ShardWriter:
        """The writer of uncertainties, uint8, 255 for the largest that classes allow."""
        return self._writer(self._uncertainties[0])

    @property
    def instance(self) -> ShardWriter:
        """The writer of the objects' numbers, uint32, 0 outside objects."""
        return self._writer(self._instances[0])

    def _writer(self, array: zarr.Array[Any]) -> ShardWriter:
        return ShardWriter(self.store_path, array, self._journal, MAP_CODING)

    def _open_or_create(self) -> zarr.Group:
        path = f"labels/{self._file_name}"
        for folder in (self.store_path, self.store_path / "labels"):
            for partial in folder.glob("*.partial"):
                partial.unlink()  # of the store's own description, and of the list of labels
        root = zarr.open_group(self.store_path, mode="r+", zarr_format=3)
        if path in root:
            group = root[path]
            attributes = dict(group.attrs).get("pathoai")
            found = attributes if isinstance(attributes, dict) else {}
            same = _provenance(found) == (self._recipe.about, self._recipe.made_on)
            if isinstance(group, zarr.Group) and same:
                remove_partial_writes(self.store_path / path)
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
            size = label_grid(self._header, factor).size_px
            found = group.get(str(index))
            if not isinstance(found, zarr.Array):
                shape = (*lead, size.height, size.width)
                found = create_array(group, str(index), shape, fill=fill, coding=MAP_CODING)
            arrays.append(found)
        return arrays

    def _attributes(self, *, complete: bool) -> dict[str, Any]:
        recipe = self._recipe
        made_on = {} if recipe.made_on is None else {"made_on": recipe.made_on}
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
                **made_on,
            },
        }

    def finish(self, class_map: NDArray[np.uint8] | None = None) -> None:
        """Build the coarser levels, note every hash, and list the label in its store.

        Args:
            class_map: The finest level ``(height, width)`` uint8, where it is still at hand; it is
                read back otherwise.
        """
        maps = self.class_levels
        if class_map is not None:
            maps = self._coarser(self._maps, first_of_block, _part_of(class_map))
        maps.finish()
        for levels in self.channel_levels:
            levels.finish()
        for part in self._means:
            self._describe(part, channels=True)
        if self._instances:
            self._coarser(self._instances, first_of_block).finish()
            self._describe(INSTANCE, channels=False)
        attributes = self._attributes(complete=True)
        attributes["pathoai"]["shards"] = self._journal.hashes(f"labels/{self._file_name}")
        self._group.attrs.put(attributes)
        _list_label(self.store_path, self._recipe.name)
        self._journal.forget()

    def _describe(self, part: str, *, channels: bool) -> None:
        """Make a part of the label an OME-Zarr image of its own."""
        mpp, name = self._header.pixel_mpp, f"{self._recipe.name} {part}"
        scales = ome.multiscales(name, self.factors, mpp, channels=channels)
        inner = self._group.require_group(part)
        inner.attrs.put({"ome": {"version": ome.VERSION, "multiscales": [scales]}})

    @cached_property
    def class_levels(self) -> LabelLevels:
        """The coarser levels of the class map, made of what is stored of it."""
        return self._coarser(self._maps, first_of_block)

    @cached_property
    def channel_levels(self) -> tuple[LabelLevels, ...]:
        """The coarser levels of probabilities and uncertainties, of those that there are."""
        return tuple(self._coarser(levels, block_mean) for levels in self._means.values())

    @property
    def _means(self) -> dict[str, list[zarr.Array[Any]]]:
        parts = {PROBABILITY: self._probabilities, UNCERTAINTY: self._uncertainties}
        return {part: levels for part, levels in parts.items() if levels}

    def _coarser(
        self,
        levels: list[zarr.Array[Any]],
        reduce: Reducer,
        read_finest: ReadBelow | None = None,
    ) -> LabelLevels:
        steps = [round(coarse / fine) for fine, coarse in pairwise(self.factors)]
        read: list[ReadBelow] = [self._reader(i, below).block for i, below in enumerate(levels)]
        if read_finest:
            read[:1] = [read_finest]
        return LabelLevels([self._writer(level) for level in levels], steps, reduce, read)

    def _reader(self, index: int, array: zarr.Array[Any]) -> MapReader:
        """Of what is written of a level."""
        height, width = array.shape[-2:]
        size = Size(width, height)
        layout = LevelLayout(self.factors[index], size, CHUNK_PX, SHARD_PX, MAP_CODING)
        return MapReader(
            self.store_path / array.path,
            layout,
            f"{self._header.slide_id} {self.name}",
            lead=array.shape[:-2],
            dtype=array.dtype,
            absent=int(array.fill_value),
        )


def begun_with(store_path: Path, name: str, about: dict[str, Any]) -> dict[str, Any] | None:
    """What was computing the unfinished label of that name and provenance; None if there is none.

    Args:
        store_path: The store.
        name: Of the label.
        about: Where it comes from.
    """
    path = store_path / "labels" / group_name(name)
    if not (path / "zarr.json").exists():
        return None
    found = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs).get("pathoai")
    if not isinstance(found, dict) or found.get("complete") or found.get("about") != about:
        return None
    made_on: Any = found.get("made_on") or {}
    return dict(made_on)


def _provenance(attributes: dict[str, Any]) -> tuple[Any, Any]:
    """Where a label comes from, and what computed it."""
    return attributes.get("about"), attributes.get("made_on")


def _part_of(class_map: NDArray[np.uint8]) -> ReadBelow:
    return lambda rows, columns: class_map[rows, columns]


def _list_label(store_path: Path, name: str) -> None:
    group = zarr.open_group(store_path / "labels", mode="r+", zarr_format=3)
    names = sorted(group_name(n) for n in {*label_names(store_path), name})
    group.attrs.put({"ome": {"version": ome.VERSION, "labels": names}})
