"""Where patches lie, in the HDF5 layout that CLAM and TRIDENT read and write.

A data set ``coords`` ``(N, 2)`` holds x and y of each top left in level-0 pixels; its attributes
say how large patches are. TRIDENT's ``patch_size_level0`` is in level-0 pixels and its
``patch_size`` in pixels at the target magnification; CLAM's ``patch_size`` is in pixels of
``patch_level``, which is ``downsample`` times coarser than level 0. Magnifications are the nominal
ones of the scales, which are written beside them: pathoai itself goes by µm per pixel alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import InvalidValueError, MissingDependencyError, MissingFileError, StorageError
from pathoai.geometry import Mpp, Size
from pathoai.tiling.grid import TileGrid

if TYPE_CHECKING:
    import h5py

COORDS = "coords"


@dataclass(frozen=True)
class PatchCoordinates:
    """Squares of one size on one slide.

    Args:
        origins: ``(N, 2)`` int64, x and y of each top left, level-0 pixels.
        side: Of a square, level-0 pixels.
        patch_px: Of a square, pixels at the scale that networks are to see.
        overlap_px: What neighbours share, likewise.
        name: Of the slide, as the file calls it.
        slide_size: Of level 0, where the file states it.
        slide_mpp: Scale of level 0, likewise.
        columns: What else is known of each, ``(N,)`` by name: texts or numbers.

    Raises:
        InvalidValueError: Columns differ in length, or a square has no area.
    """

    origins: NDArray[np.int64]
    side: int
    patch_px: int
    overlap_px: int = 0
    name: str = ""
    slide_size: Size | None = None
    slide_mpp: Mpp | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what are no squares."""
        if self.origins.ndim != 2 or self.origins.shape[1] != 2:
            raise InvalidValueError(
                "coordinates of patches", found=self.origins.shape, allowed="x and y of each"
            )
        if any(len(column) != len(self.origins) for column in self.columns.values()):
            raise InvalidValueError("patch columns differ in length", found=list(self.columns))
        if self.side < 1 or self.patch_px < 1:
            raise InvalidValueError("patch size", found=self.side, allowed="1 pixel or more")

    @classmethod
    def of_tiles(
        cls, tiles: TileGrid, name: str, slide_size: Size, slide_mpp: Mpp
    ) -> PatchCoordinates:
        """The tiles of a slide; their places and sizes are rounded to level-0 pixels.

        Args:
            tiles: Of the slide.
            name: Its code.
            slide_size: Of level 0.
            slide_mpp: Scale of level 0.
        """
        scale = np.array([tiles.grid.downsample_x, tiles.grid.downsample_y])
        return cls(
            np.rint(tiles.origins_px * scale).astype(np.int64),
            round(tiles.spec.size_px * float(scale.mean())),
            tiles.spec.size_px,
            tiles.spec.overlap_px,
            name,
            slide_size,
            slide_mpp,
            {"tissue_fraction": tiles.tissue_fraction},
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the data set ``coords``: TRIDENT's names, and CLAM's where they say the same."""
        found: dict[str, Any] = {
            "patch_size": self.patch_px,
            "patch_size_level0": self.side,
            "overlap": self.overlap_px,
            "name": self.name,
        }
        if self.slide_size is not None:
            found["level0_width"] = self.slide_size.width
            found["level0_height"] = self.slide_size.height
        if self.slide_mpp is not None:
            target_mpp = self.slide_mpp.mean * self.side / self.patch_px
            found |= {
                "level0_mpp": self.slide_mpp.mean,
                "level0_magnification": _nominal(self.slide_mpp.mean),
                "target_mpp": target_mpp,
                "target_magnification": _nominal(target_mpp),
            }
        if self.side == self.patch_px:
            found |= {"patch_level": 0, "downsample": np.ones(2)}
        return found


def _nominal(mpp: float) -> int:
    """The magnification that a scale is sold as: 40 for about 0.25 µm, half for twice as much."""
    return max(1, round(5 * 2.0 ** round(math.log2(2 / mpp))))


def write_patch_coordinates(path: Path, patches: PatchCoordinates) -> None:
    """Write a file; an old one stays until the new one is whole.

    Raises:
        MissingDependencyError: h5py is not installed.
        MissingFileError: The folder does not exist.
    """
    if not path.parent.is_dir():
        raise MissingFileError("no such folder", where=path.parent.name, remedy="make it first")
    if path.is_dir():
        raise StorageError("a folder lies there", where=path.name, allowed="the name of a file")
    h5 = _h5py()
    memory = io.BytesIO()
    with h5.File(memory, "w") as file:
        coords = file.create_dataset(COORDS, data=patches.origins)
        coords.attrs.update(patches.attributes)
        for name, column in patches.columns.items():
            is_text = column.dtype.kind in "OU"
            kind = {"dtype": h5.string_dtype()} if is_text else {}
            file.create_dataset(name, data=column.astype(object) if is_text else column, **kind)
    write_bytes_atomically(path, memory.getvalue())


def read_patch_coordinates(path: Path) -> PatchCoordinates:
    """Read a file of CLAM, of TRIDENT or of pathoai.

    Raises:
        MissingFileError: Nothing lies there.
        InvalidValueError: It is no such file, is damaged, or does not say how large patches are.
        MissingDependencyError: h5py is not installed.
    """
    if not path.exists():
        raise MissingFileError("no such file", where=path.name)
    with _reading(path), _h5py().File(path, "r") as file:
        coords = file[COORDS]
        attributes = dict(coords.attrs)
        origins = np.asarray(coords[:])
        columns = {name: _column(file[name]) for name in file if _is_column(file[name], origins)}
    if origins.ndim != 2 or origins.shape[1] != 2 or origins.dtype.kind not in "iuf":
        raise InvalidValueError(
            "malformed coordinates of patches", where=path.name, found=origins.shape
        )
    side, patch_px = _sizes(attributes, path)
    name = attributes.get("name", "")
    return PatchCoordinates(
        np.rint(origins).astype(np.int64),
        side,
        patch_px,
        int(attributes.get("overlap", 0)),
        name if isinstance(name, str) else "",
        _slide_size(attributes),
        columns=columns,
    )


def has_patch_coordinates(path: Path) -> bool:
    """True for an HDF5 file with the data set ``coords``.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    h5 = _h5py()
    try:
        with h5.File(path, "r") as file:
            return COORDS in file
    except OSError:
        return False


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            "h5py is not installed", remedy="pip install 'pathoai[h5]'"
        ) from error
    module: ModuleType = h5py
    return module


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    # What h5py raises on files that are none, are cut short, or lack the data set.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InvalidValueError(
            "not a whole HDF5 file of patch coordinates",
            where=path.name,
            found=type(error).__name__,
            allowed=f"a data set {COORDS} with x and y of each patch",
        ) from error


def _is_column(found: h5py.Dataset | h5py.Group, origins: NDArray[Any]) -> bool:
    shape = getattr(found, "shape", None)
    return shape == origins.shape[:1] and found.name != f"/{COORDS}"


def _column(found: h5py.Dataset) -> NDArray[Any]:
    is_text = found.dtype.kind in "OS"
    return np.asarray(found.asstr()[:] if is_text else found[:])


def _sizes(attributes: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """Side of a patch in level-0 pixels, and in pixels at its own scale."""
    try:
        patch_px = int(attributes["patch_size"])
        if "patch_size_level0" in attributes:
            return int(attributes["patch_size_level0"]), patch_px
        level = int(attributes["patch_level"])
        downsample = float(np.ravel(attributes["downsample"])[0]) if level else 1.0
        return round(patch_px * downsample), patch_px
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InvalidValueError(
            "the file does not say how large patches are",
            where=path.name,
            found=", ".join(attributes) or "no attributes",
            allowed="patch_size_level0; or patch_size, patch_level and downsample",
        ) from error


def _slide_size(attributes: Mapping[str, Any]) -> Size | None:
    """Of level 0, as TRIDENT says it; CLAM's ``level_dim`` is that of the patches' level."""
    if {"level0_width", "level0_height"} <= attributes.keys():
        return Size(int(attributes["level0_width"]), int(attributes["level0_height"]))
    dimensions = np.ravel(attributes.get("level_dim", ()))
    if len(dimensions) == 2 and not int(attributes.get("patch_level", -1)):
        return Size(int(dimensions[0]), int(dimensions[1]))
    return None
