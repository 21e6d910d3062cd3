"""OME-Zarr images as slides: NGFF 0.4 (Zarr v2) and 0.5 (Zarr v3), pathoai's own stores among them.

What is read: 8-bit RGB, axes in any order, every axis besides x, y and c of length one. The scale
is that of the first dataset's ``coordinateTransformations``, in the units of the axes; a file
without units states no scale. Specification: https://ngff.openmicroscopy.org/0.5/. Of a
bioformats2raw folder the first image is read, which is the slide.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.reader import Level, SlideDescription, SlideInfo, check_level

if TYPE_CHECKING:
    import zarr  # heavy: this module is imported whenever a slide is opened

_WHITE = 255
_LARGEST_CHUNK_BYTES = 2**29
"""Of a decoded chunk; beyond the largest that writers make, far below what exhausts memory."""
MICROMETRES = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
    "inch": 25_400.0,
}
"""Units of length by the names that NGFF takes from UDUNITS-2."""
_RGB = ("FF0000", "00FF00", "0000FF")
_MARKS = ("zarr.json", ".zgroup", ".zattrs")
_SIZES_AGREE_PX = 2
# What zarr and its codecs raise on damaged files, found by fuzzing.
ZARR_FAILS_BY = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    ImportError,
    MemoryError,
    RuntimeError,
    zlib.error,
)


class OmeZarrBackend:
    """Recognises, describes and opens OME-Zarr folders."""

    name = "ome-zarr"
    rank = 30

    def describe(self, path: Path) -> SlideDescription:
        """What the folder says of itself.

        Raises:
            NotASlideError: It is no folder of an OME-Zarr image.
            DamagedSlideError: It is one, but malformed, not finished, or not 8-bit RGB.
        """
        pyramid = _pyramid(path)
        return SlideDescription(
            vendor="ome-zarr",
            levels=pyramid.levels,
            stated_mpp=pyramid.stated_mpp,
            objective_power=None,
            compression=_compression(pyramid.arrays[0]),
            associated_images={},
            reader=self.name,
        )

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> OmeZarrReader:
        """The slide, with its checked scale.

        Raises:
            NotASlideError: It is no folder of an OME-Zarr image.
            DamagedSlideError: It is one, but cannot serve.
        """
        return OmeZarrReader(_pyramid(path), mpp=mpp, slide_id=slide_id)


@dataclass(frozen=True, eq=False)
class _Pyramid:
    """The arrays of an image, finest first, and what is said of them.

    Args:
        arrays: 8-bit, of the same axes.
        axes: Their names, in order.
        levels: Sizes and downsamples.
        stated_mpp: Of level 0, as a description states it.
        icc_profile: Of a slide that pathoai stored.
    """

    arrays: tuple[zarr.Array[Any], ...]
    axes: tuple[str, ...]
    levels: tuple[Level, ...]
    stated_mpp: tuple[str | None, str | None]
    icc_profile: bytes | None

    def block(self, level: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Pixels inside a level, ``(height, width, 3)`` uint8; white where no chunk was written.

        A chunk that is absent holds no pixel, whatever the fill value. Writers leave out chunks
        that are all fill value, so one that is present is believed even where it is black; and
        where channels are apart, a pixel is absent only if all three of its chunks are.
        """
        array = self.arrays[level]
        pixels = self._read(array, rows, columns)
        fill = array.fill_value
        if fill == _WHITE:
            return pixels
        doubtful = (pixels == fill).all(axis=-1)
        if doubtful.any():
            white = self._read(_with_fill(array, _WHITE), rows, columns)
            pixels[doubtful & (white == _WHITE).all(axis=-1)] = _WHITE
        return pixels

    def _read(self, array: zarr.Array[Any], rows: slice, columns: slice) -> NDArray[np.uint8]:
        places: dict[str, slice] = {"x": columns, "y": rows, "c": slice(None)}
        selection = tuple(places.get(axis, 0) for axis in self.axes)
        kept = [axis for axis in self.axes if axis in places]
        found = np.asarray(array[selection])
        return np.array(found.transpose([kept.index(axis) for axis in ("y", "x", "c")]))


class OmeZarrReader:
    """An open OME-Zarr image; see the module."""

    def __init__(self, pyramid: _Pyramid, *, mpp: Mpp, slide_id: str = "") -> None:
        """Keep the arrays; no pixel is read."""
        self._pyramid = pyramid
        self._info = SlideInfo(
            slide_id, pyramid.levels, mpp, vendor="ome-zarr", icc_profile=pyramid.icc_profile
        )

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        return self._info

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels of one level, ``(height, width, 3)`` uint8; see ``SlideReader.read_region``.

        Raises:
            InvalidValueError: The slide has no such level.
            DamagedSlideError: A chunk cannot be decoded; the slide stays usable elsewhere.
        """
        check_level(level, len(self._info.levels))
        whole, downsample = self._info.levels[level].size_px, self._info.levels[level].downsample
        x_px, y_px = round(x / downsample), round(y / downsample)
        left, right = max(x_px, 0), min(x_px + size_px.width, whole.width)
        top, bottom = max(y_px, 0), min(y_px + size_px.height, whole.height)
        region = np.full((size_px.height, size_px.width, 3), _WHITE, np.uint8)
        if left < right and top < bottom:
            where = f"{self._info.slide_id or 'slide'} at level-0 x={x}, y={y}, level {level}"
            with _zarr_fails("pixels cannot be decoded", where=where):
                region[top - y_px : bottom - y_px, left - x_px : right - x_px] = (
                    self._pyramid.block(level, slice(top, bottom), slice(left, right))
                )
        return region

    def close(self) -> None:
        """Nothing is held open between reads."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open between reads."""


@contextmanager
def _zarr_fails(what: str, where: str | None = None) -> Iterator[None]:
    """Failures of zarr and of malformed metadata become ours."""
    try:
        yield
    except (DamagedSlideError, NotASlideError):
        raise
    except ZARR_FAILS_BY as error:
        # Its message would name the folder, which may be named after a patient.
        raise DamagedSlideError(
            what,
            where=where,
            found=type(error).__name__,
            remedy="copy or convert the slide again; the folder is damaged or incomplete",
        ) from error


def _unfit(what: str, found: object = None) -> DamagedSlideError:
    return DamagedSlideError(
        what, found=found, remedy="convert the slide to an 8-bit RGB image of NGFF 0.4 or 0.5"
    )


def _pyramid(path: Path) -> _Pyramid:
    if not any((path / mark).is_file() for mark in _MARKS):
        raise NotASlideError("it is no folder of a Zarr group")
    with _zarr_fails("the OME-Zarr image cannot be opened"):
        group, image = _image(path)
        axes = tuple(str(axis["name"]) for axis in image["axes"])
        datasets = image["datasets"]
        arrays = tuple(_array(group, str(dataset["path"]), axes) for dataset in datasets)
        if not arrays:
            raise _unfit("the image has no level")
        common = _scale(image, axes) or (1.0, 1.0)
        scales = [_scale(dataset, axes) for dataset in datasets]
        levels, mpp = _levels(arrays, axes, scales), _mpp(image, scales[0], common)
        return _Pyramid(arrays, axes, levels, mpp, _icc_profile(group))


def _image(path: Path) -> tuple[zarr.Group, Mapping[str, Any]]:
    """The group of the image and its entry of ``multiscales``."""
    import zarr

    group = zarr.open(str(path), mode="r")
    if not isinstance(group, zarr.Group):
        raise NotASlideError("it is a Zarr array, not a group")
    attributes = _ome(group)
    if "bioformats2raw.layout" in attributes:
        first = group["0"]
        if not isinstance(first, zarr.Group):
            raise _unfit("the first image of the bioformats2raw folder is not a group")
        group, attributes = first, _ome(first)
    if "multiscales" not in attributes:
        raise NotASlideError("it is a Zarr group, but no OME-Zarr image")
    _refuse_unfinished(group)
    image = attributes["multiscales"][0]
    version = attributes.get("version", image.get("version", "0.4"))
    if version not in ("0.4", "0.5"):
        raise _unfit("the version of NGFF is not known", repr(version))
    _refuse_other_colours(attributes)
    return group, image


def _refuse_unfinished(group: zarr.Group) -> None:
    ours = group.attrs.get("pathoai")
    if isinstance(ours, Mapping) and ours.get("complete") is not True:
        raise DamagedSlideError(
            "the store is not complete: an earlier run was interrupted",
            remedy="run `pathoai tile` again; it goes on where it stopped",
        )


def _icc_profile(group: zarr.Group) -> bytes | None:
    """The slide's own, which pathoai keeps in its stores; OME-Zarr has no place for one."""
    import zarr

    found = group.get("icc_profile") if "pathoai" in group.attrs else None
    return np.asarray(found[:]).tobytes() if isinstance(found, zarr.Array) else None


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    """Its attributes of OME: under ``ome`` from NGFF 0.5 on, at the root before."""
    attributes = group.attrs.asdict()
    found = attributes.get("ome", attributes)
    return found if isinstance(found, Mapping) else {}


def _refuse_other_colours(attributes: Mapping[str, Any]) -> None:
    """Three channels are red, green and blue, unless the file says that they are others."""
    channels = attributes.get("omero", {}).get("channels", [])
    colours = tuple(str(channel.get("color", "")).upper() for channel in channels)
    if colours and colours != _RGB:
        raise _unfit("the channels are not red, green and blue", ", ".join(colours))


def _array(group: zarr.Group, name: str, axes: Sequence[str]) -> zarr.Array[Any]:
    """The array of one level, held to what is read."""
    import zarr

    array = group[name]
    if not isinstance(array, zarr.Array) or array.ndim != len(axes):
        raise _unfit("a level is not an array of the image's axes")
    if array.dtype != np.uint8:
        raise _unfit("the pixels are not 8-bit", array.dtype)
    lengths = dict(zip(axes, array.shape, strict=True))
    others = {axis: n for axis, n in lengths.items() if axis not in ("x", "y", "c") and n != 1}
    if others or lengths.get("c") != 3 or not {"x", "y"} <= lengths.keys():
        raise _unfit("the image is not one plane of three channels", lengths)
    if min(array.shape) < 1:
        raise _unfit("a level is empty", lengths)
    if int(np.prod(array.chunks, dtype=object)) > _LARGEST_CHUNK_BYTES:
        raise _unfit("the chunks are too large to decode", array.chunks)
    return array


def _scale(holder: Mapping[str, Any], axes: Sequence[str]) -> tuple[float, float] | None:
    """Along x and y, of a dataset or of the whole image, where it has a scale."""
    for transform in holder.get("coordinateTransformations", []):
        if transform["type"] == "scale" and len(transform["scale"]) == len(axes):
            scale = dict(zip(axes, transform["scale"], strict=True))
            return float(scale["x"]), float(scale["y"])
    return None


def _mpp(
    image: Mapping[str, Any], scale: tuple[float, float] | None, common: tuple[float, float]
) -> tuple[str | None, str | None]:
    """The scale of level 0 as texts, µm per pixel; None where a unit or the scale is missing."""
    units = {axis["name"]: MICROMETRES.get(str(axis.get("unit"))) for axis in image["axes"]}
    if scale is None:
        return None, None
    x, y = (
        None if (unit := units[axis]) is None else f"{scale[i] * common[i] * unit:.12g}"
        for i, axis in enumerate(("x", "y"))
    )
    return x, y


def _levels(
    arrays: Sequence[zarr.Array[Any]],
    axes: Sequence[str],
    scales: Sequence[tuple[float, float] | None],
) -> tuple[Level, ...]:
    sizes = [Size(a.shape[axes.index("x")], a.shape[axes.index("y")]) for a in arrays]
    levels = tuple(
        Level(size, _downsample(sizes[0], size, scales[0], scale))
        for size, scale in zip(sizes, scales, strict=True)
    )
    downsamples = [level.downsample for level in levels]
    if sorted(set(downsamples)) != downsamples:
        raise _unfit("the levels do not grow coarser", downsamples)
    return levels


def _downsample(
    first: Size,
    size: Size,
    first_scale: tuple[float, float] | None,
    scale: tuple[float, float] | None,
) -> float:
    """By the scales, which are exact, where the sizes agree; else by the sizes, as OpenSlide."""
    by_size = max(first.width / size.width, first.height / size.height)
    by_scale = by_size
    if scale and first_scale and min(*scale, *first_scale) > 0:
        by_scale = scale[0] / first_scale[0]
    for downsample in (by_scale, by_size):
        if (
            abs(first.width / downsample - size.width) <= _SIZES_AGREE_PX
            and abs(first.height / downsample - size.height) <= _SIZES_AGREE_PX
        ):
            return downsample
    raise _unfit("a level covers another area than the first", f"{size.width} × {size.height} px")


def _with_fill(array: zarr.Array[Any], value: int) -> zarr.Array[Any]:
    """The same array, whose absent chunks read as another value."""
    import zarr

    fill: Any = np.uint8(value)
    metadata: Any = replace(array.metadata, fill_value=fill)
    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=array.store_path))


def _compression(array: zarr.Array[Any]) -> str:
    """Of the chunks, by the names of the codecs."""
    names = [str(getattr(c, "codec_id", "") or type(c).__name__) for c in array.compressors]
    return ", ".join(name.removesuffix("Codec").lower() for name in names) or "none"
