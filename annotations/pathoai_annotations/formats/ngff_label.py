"""A label image of NGFF 0.4 or 0.5, and the outlines of its regions.

Which class a value is follows from the user's word, from ``properties`` of ``image-label``
(``class``, ``name`` or ``label``), or from a colour that one class of the ontology has. Positions
are those of pixel centres; a label that states none starts at the slide's top left, and must then
cover the slide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import zarr
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, MissingFileError
from pathoai.geometry import Size
from pathoai.ontology import Ontology
from pathoai.slide.ome_zarr_reader import ZARR_FAILS_BY
from pathoai.store.label_image import INSTANCE
from pathoai.vector.block_outlines import BlockOutlines, frames_of, outline_block, outline_nothing
from pathoai.vector.healed_seams import heal_seams
from pathoai.vector.pixel_regions import find_regions
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.feature import Feature
from pathoai_annotations.formats.ngff_class_map import refuse_other_classes, values_of_numbers
from pathoai_annotations.formats.ngff_metadata import refuse_ambiguous_metadata
from pathoai_annotations.formats.ngff_place import lies, scale_um
from pathoai_annotations.formats.same_slide import refuse_other_size, refuse_other_slide
from pathoai_annotations.slide_frame import Corner, known_frame

_BLOCK_PX = 2048
_LARGEST_VALUE = 2**31 - 1
_CLASS_PROPERTIES = ("class", "name", "label", "label-name", "classification")
_NO_CLASSES = ("background", "not_assessed")
_METADATA = ("origin", "author", "status", "derived_from")
_MARKS = ("zarr.json", ".zgroup", ".zattrs")


@dataclass(frozen=True, eq=False)
class NgffLabel:
    """A label, open for reading.

    Args:
        path: Its folder.
        array: Its finest level.
        axes: Of the array.
        scale: Level-0 pixels per pixel along x and y.
        origin: Where its top left lies, level-0 pixels of the corner that it counts from.
        properties: What it says of each value.
        colours: Red, green and blue of each value.
        corner: What it counts from, where pathoai wrote it.
        class_map: Beside it, where pathoai wrote it: the classes of the same pixels.
    """

    path: Path
    array: zarr.Array[Any]
    axes: tuple[str, ...]
    scale: tuple[float, float]
    origin: tuple[float, float]
    properties: Mapping[int, Mapping[str, Any]]
    colours: Mapping[int, tuple[int, int, int]]
    corner: Corner | None
    class_map: NgffLabel | None = None

    @classmethod
    def opened(cls, path: Path, context: ReadingContext) -> NgffLabel:
        """Find the label of a folder, and how it lies on the slide.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It has no label or several, is damaged, or is about another slide.
        """
        if not path.exists():
            raise MissingFileError("no such folder", where=path.name)
        if not any((path / mark).is_file() for mark in _MARKS):
            raise AnnotationError("not an OME-Zarr folder", where=path.name)
        frame = known_frame(context.frame, "a raster")
        with zarr_fails(path.name):
            group, outer, corner, about = _label_group(path)
            attributes = _ome(group)
            image = attributes["multiscales"][0]
            axes = tuple(str(axis["name"]) for axis in image["axes"])
            array = _array(group, str(image["datasets"][0]["path"]), axes, path.name)
            refuse_ambiguous_metadata(path, array.path)
            shown = attributes.get("image-label", {})
            properties = _properties(attributes)
            colours = {
                int(c["label-value"]): (int(c["rgba"][0]), int(c["rgba"][1]), int(c["rgba"][2]))
                for c in shown.get("colors", ())
                if "rgba" in c
            }
            size = Size(array.shape[axes.index("x")], array.shape[axes.index("y")])
            scale, translation = scale_um(image, axes)
        if about is not None:
            refuse_other_slide(about[0], context, path.name)
            refuse_other_size(about[1], corner or Corner.CANVAS, context, path.name)
        used = corner or context.corner or Corner.CANVAS
        where_it_lies = lies(frame, used, size, scale, translation, path.name)
        label = cls(path, array, axes, *where_it_lies, properties, colours, corner)
        return label if outer is None else replace(label, class_map=label._beside(outer))

    def _beside(self, group: zarr.Group) -> NgffLabel:
        with zarr_fails(self.name):
            said = _ome(group)
            level = str(said["multiscales"][0]["datasets"][0]["path"])
            array = _array(group, level, self.axes, self.name)
            refuse_ambiguous_metadata(self.path, array.path)
            return replace(self, array=array, properties=_properties(said))

    @property
    def name(self) -> str:
        """Of its folder, for messages."""
        return self.path.name

    @property
    def size_px(self) -> Size:
        """Of its raster."""
        shape = self.array.shape
        return Size(shape[self.axes.index("x")], shape[self.axes.index("y")])

    def is_written(self, rows: slice, columns: slice) -> bool:
        """Whether any chunk of a part of the raster has a file; the others are all fill value.

        Raises:
            AnnotationError: A file is empty, which zarr passes over in silence.
        """
        unit = self.array.shards or self.array.chunks
        places = {"x": columns, "y": rows}
        shape = zip(self.axes, unit, self.array.shape, strict=True)
        ranges = [
            range(part.start // side, -(-min(part.stop, length) // side))
            if (part := places.get(axis)) is not None
            else range(1)
            for axis, side, length in shape
        ]
        folder = self.path / self.array.path
        keys = [self.array.metadata.encode_chunk_key(chunk) for chunk in product(*ranges)]
        sizes = [file.stat().st_size for key in keys if (file := folder / key).is_file()]
        if 0 in sizes:
            raise AnnotationError("a chunk of the label is empty", where=self.name)
        return bool(sizes)

    def block(self, rows: slice, columns: slice) -> NDArray[Any]:
        """A part of the raster, ``(height, width)``.

        Raises:
            AnnotationError: A chunk is damaged.
        """
        places = {"x": columns, "y": rows}
        with zarr_fails(self.name):
            found = np.asarray(self.array[tuple(places.get(axis, 0) for axis in self.axes)])
        return found if self.axes.index("y") < self.axes.index("x") else found.T

    def class_name(self, value: int, context: ReadingContext) -> str | None:
        """Which class a value is, in words that the context knows; None where nothing says it."""
        if str(value) in context.classes:
            return str(value)
        said = self.properties.get(value, {})
        for name in _CLASS_PROPERTIES:
            if said.get(name):
                return str(said[name])
        return _class_of_colour(self.colours.get(value), context.ontology)


def _class_of_colour(rgb: tuple[int, int, int] | None, ontology: Ontology) -> str | None:
    found = [label.key for label in ontology.classes if label.rgb == rgb]
    return found[0] if len(found) == 1 else None


def is_label(path: Path) -> bool:
    """True for a folder of an OME-Zarr label, or of an image with labels."""
    if not any((path / mark).is_file() for mark in _MARKS):
        return False
    try:
        with zarr_fails(path.name):
            _label_group(path)
    except AnnotationError:
        return False
    return True


@contextmanager
def zarr_fails(name: str) -> Iterator[None]:
    """Failures of zarr and of malformed metadata become ours; they could name the folder."""
    try:
        yield
    except AnnotationError:
        raise
    except ZARR_FAILS_BY as error:
        raise AnnotationError(
            "the OME-Zarr label is damaged",
            where=name,
            found=type(error).__name__,
            remedy="export it again",
        ) from error


def _properties(attributes: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    said = attributes.get("image-label", {}).get("properties", ())
    return {int(one["label-value"]): one for one in said}


def _ome(group: zarr.Group) -> dict[str, Any]:
    attributes = group.attrs.asdict()
    found: Any = attributes.get("ome", attributes)
    return dict(found)


def _label_group(
    path: Path,
) -> tuple[zarr.Group, zarr.Group | None, Corner | None, tuple[str, Size] | None]:
    """The label; where pathoai wrote it also the class map around it, and what it says of it."""
    group = zarr.open_group(path, mode="r")
    attributes = _ome(group)
    if "image-label" not in attributes:
        holder = group.get("labels") if "labels" not in attributes else group
        if not isinstance(holder, zarr.Group):
            raise AnnotationError("the folder has no OME-Zarr label", where=path.name)
        names = [str(name) for name in _ome(holder).get("labels", ())]
        if len(names) != 1:
            raise AnnotationError(
                "which label?",
                where=path.name,
                found=", ".join(names) or "none",
                remedy="name the folder of one, with --format ome-zarr-labels",
            )
        group = _group(holder, names[0], path.name)
    ours: Any = group.attrs.get("pathoai")
    if not isinstance(ours, Mapping) or "counts_from" not in ours:
        return group, None, None, None
    inner = _group(group, INSTANCE, path.name)
    about = (str(ours["slide"]), Size(*map(round, ours["size"])))
    return inner, group, Corner(ours["counts_from"]), about


def _group(holder: zarr.Group, name: str, where: str) -> zarr.Group:
    found = holder[name]
    if not isinstance(found, zarr.Group):
        raise AnnotationError("a label is no group", where=where, found=name)
    return found


def _array(group: zarr.Group, name: str, axes: Sequence[str], where: str) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array) or array.ndim != len(axes) or not {"x", "y"} <= {*axes}:
        raise AnnotationError("a level is not an array of the label's axes", where=where)
    others = {a: n for a, n in zip(axes, array.shape, strict=True) if a not in "xy" and n != 1}
    if others or array.dtype.kind not in "iub":
        raise AnnotationError(
            "not one plane of whole numbers",
            where=where,
            found=f"{array.dtype}, {others or 'one plane'}",
        )
    return array


def label_features(label: NgffLabel, context: ReadingContext) -> Iterator[Feature]:
    """The outlines of a label, in level-0 pixels of the corner that it counts from.

    Args:
        label: Open.
        context: Which classes values are.

    Raises:
        AnnotationError: A chunk is damaged.
    """
    (scale_x, scale_y), (x, y) = label.scale, label.origin
    affine = (scale_x, 0.0, 0.0, scale_y, x, y)
    by_value: dict[int, list[BaseGeometry]] = defaultdict(list)
    for row in heal_seams(_blocks(label, context)):
        for value, outline in zip(row.ended.sums.value.tolist(), row.ended.outline, strict=True):
            by_value[value].append(affine_transform(outline, affine))
    _check_whole(label, by_value)
    for value in sorted(by_value):
        said, parts = label.properties.get(value, {}), by_value[value]
        where, name = f"{label.name} value {value}", label.class_name(value, context)
        # A value that no class stands for is the number of one object; so is one with an id.
        if "id" in said or name is None:
            yield _feature(where, _joined(parts), name, said)
        else:
            for number, part in enumerate(parts, start=1):
                yield _feature(f"{where} region {number}", part, name, {})


def _check_whole(label: NgffLabel, by_value: Mapping[int, Sequence[BaseGeometry]]) -> None:
    """Refuse a label of ours that lost a chunk: absent ones are fill value to zarr."""
    pixel = label.scale[0] * label.scale[1]
    for value, said in label.properties.items():
        found = round(sum(part.area for part in by_value.get(value, ())) / pixel)
        if "pixels" in said and found != said["pixels"]:
            raise AnnotationError(
                "an annotation has lost pixels: a chunk is missing",
                where=f"{label.name} value {value}",
                found=f"{found} pixels",
                allowed=said["pixels"],
                remedy="copy or export it again",
            )


def _blocks(label: NgffLabel, context: ReadingContext) -> Iterator[BlockOutlines]:
    ignored = [v for v in label.properties if label.class_name(v, context) in _NO_CLASSES]
    may_skip = label.array.fill_value in (0, None, *ignored)
    size, beside = label.size_px, label.class_map
    values = {} if beside is None else values_of_numbers(label.properties, beside.properties)
    for frame in frames_of((size.height, size.width), _BLOCK_PX):
        part = frame.rows, frame.columns
        is_written = label.is_written(*part)
        if not (is_written or (beside and beside.is_written(*part))) and may_skip:
            yield outline_nothing(frame)
            continue
        block = _checked(label.block(*part), label.name)
        if beside is not None:
            refuse_other_classes(block, beside.block(*part), values, label.name)
        yield outline_block(find_regions(block, (0, *ignored)), frame)


def _checked(block: NDArray[Any], name: str) -> NDArray[np.uint32]:
    if int(block.max()) > _LARGEST_VALUE or int(block.min()) < 0:
        raise AnnotationError(
            "a value is out of range",
            where=name,
            found=f"{block.min()} to {block.max()}",
            allowed=f"0 to {_LARGEST_VALUE}",
        )
    return block.astype(np.uint32)


def _joined(parts: Sequence[BaseGeometry]) -> BaseGeometry:
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(list(parts))


def _feature(
    where: str, outline: BaseGeometry, name: str | None, said: Mapping[str, Any]
) -> Feature:
    confidence, measurements = said.get("confidence"), said.get("measurements") or {}
    try:
        return Feature(
            where,
            outline,
            name,
            str(said.get("id", "")),
            None if confidence is None else float(confidence),
            {str(k): float(v) for k, v in dict(measurements).items()},
            {key: said[key] for key in _METADATA if key in said},
        )
    except (TypeError, ValueError) as error:
        raise AnnotationError("a number is none", where=where, found=str(error)) from error
