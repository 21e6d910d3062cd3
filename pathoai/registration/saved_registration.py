"""A registration as a file: one NumPy archive, without pickles, that says whether it is whole."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import MissingFileError, StorageError, StoreError
from pathoai.geometry import Mpp, Size
from pathoai.registration.displacement import Displacement
from pathoai.registration.landmarks import LandmarkError
from pathoai.registration.tile_quality import RegistrationQuality, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.slide_store import SlideStore

FORMAT_VERSION = 1
_LARGEST_BYTES = 1 << 30
_TYPES = {
    "header": "uint8",
    "affine": "float64",
    "control_um": "float64",
    "similarity": "float32",
    "residual_um": "float32",
    "state": "uint8",
    "seal": "uint8",
}
_OPTIONAL = {"control_um"}
_Planes = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Registration:
    """One pair of slides, aligned.

    Args:
        transform: Between them.
        quality: How far it can be believed, tile by tile.
        landmarks: What landmarks say, where some were given.
        about: Versions, settings, evidence and seconds: whatever JSON can hold.
    """

    transform: SlideTransform
    quality: RegistrationQuality
    landmarks: LandmarkError | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def is_of_neighbours(self) -> bool:
        """Whether the slides show two neighbouring sections: areas fit each other, no cell does."""
        return bool((self.about.get("settings") or {}).get("neighbouring", False))

    @property
    def sha256(self) -> str:
        """Hash of all it says, hexadecimal."""
        return _seal(_planes_of(self)).tobytes().hex()

    def check_fits(self, fixed: SlideStore, moving: SlideStore) -> None:
        """Refuse stores whose pixels are not those that were aligned.

        Args:
            fixed: The store of the fixed slide.
            moving: The store of the moving slide.

        Raises:
            StoreError: They are of other slides, or were made anew.
        """
        placed = (self.transform.fixed, self.transform.moving)
        for store, slide in zip((fixed, moving), placed, strict=True):
            if (store.slide_id, store.identity) != (slide.slide_id, slide.identity):
                raise StoreError(
                    "the pair was registered on other pixels than the store holds",
                    where=store.slide_id,
                    found=f"slide {slide.slide_id}, pixels {slide.identity[:8]}…",
                    allowed=f"pixels {store.identity[:8]}…",
                    remedy="run `pathoai register` again",
                )

    def save(self, path: Path) -> None:
        """Write the file; whatever happens, it is the old or the new one.

        Args:
            path: A ``.npz``; its folder is made.

        Raises:
            StorageError: The disk is full or not writable.
        """
        planes = _planes_of(self)
        planes["seal"] = _seal(planes)
        data = io.BytesIO()
        np.savez_compressed(data, allow_pickle=False, **planes)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(path, data.getvalue())
        except OSError as error:
            raise StorageError(
                "the registration cannot be written",
                where=path.name,
                found=error.strerror,
                remedy="make room, or ask for the right to write there",
            ) from error

    @classmethod
    def load(cls, path: Path) -> Registration:
        """Read a file that `save` wrote.

        Raises:
            MissingFileError: There is none.
            StoreError: It is damaged, altered, or of another version.
        """
        try:
            return _registration_of(_read(path))
        except FileNotFoundError as error:
            raise MissingFileError(
                "the pair is not registered",
                where=path.stem,
                remedy="run `pathoai register` first",
            ) from error
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,  # zipfile: a compression that it does not know
            RuntimeError,  # zipfile: an encrypted member
            EOFError,
            OSError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise StoreError(
                "the file of the registration is damaged",
                where=path.name,
                found=str(error),
                remedy="delete it and run `pathoai register` again",
            ) from error


def _planes_of(registration: Registration) -> _Planes:
    transform, quality = registration.transform, registration.quality
    header = {
        "version": FORMAT_VERSION,
        "fixed": _dict_of(transform.fixed),
        "moving": _dict_of(transform.moving),
        "spacing_um": None if transform.displacement is None else transform.displacement.spacing_um,
        "tile_um": quality.tile_um,
        "landmarks": None if registration.landmarks is None else asdict(registration.landmarks),
        "about": registration.about,
    }
    text = json.dumps(header, sort_keys=True, allow_nan=False).encode()
    planes: _Planes = {
        "header": np.frombuffer(text, np.uint8),
        "affine": transform.affine,
        "similarity": quality.similarity,
        "residual_um": quality.residual_um,
        "state": quality.state,
    }
    if transform.displacement is not None:
        planes["control_um"] = transform.displacement.control_um
    return {name: np.ascontiguousarray(plane, _TYPES[name]) for name, plane in planes.items()}


def _seal(planes: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """SHA-256 over names, shapes and bytes, ``(32,)``: zip's own check does not cover them all."""
    digest = hashlib.sha256()
    for name in sorted(planes):
        plane = planes[name]
        digest.update(f"{name} {plane.shape} {plane.dtype.str}\n".encode())
        digest.update(np.ascontiguousarray(plane).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _read(path: Path) -> _Planes:
    """The arrays of a file, of the right names and types, and sealed.

    Raises:
        ValueError: They are not.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _LARGEST_BYTES:
            raise ValueError(f"larger than {_LARGEST_BYTES} bytes")
    with np.load(path, allow_pickle=False) as archive:
        planes = {name: np.asarray(archive[name]) for name in archive.files}
    types = {name: plane.dtype.name for name, plane in planes.items()}
    expected = {k: v for k, v in _TYPES.items() if k in planes or k not in _OPTIONAL}
    if types != expected:
        raise ValueError(f"arrays {', '.join(sorted(planes))}")
    seal = planes.pop("seal")
    if not np.array_equal(seal, _seal(planes)):
        raise ValueError("its seal does not fit: it was altered")
    return planes


def _registration_of(planes: _Planes) -> Registration:
    header = json.loads(planes["header"].tobytes())
    if header["version"] != FORMAT_VERSION:
        raise ValueError(f"version {header['version']}, where {FORMAT_VERSION} can be read")
    fixed, moving = (_slide_of(header[name]) for name in ("fixed", "moving"))
    displacement = None
    if "control_um" in planes:
        displacement = Displacement(planes["control_um"], float(header["spacing_um"]))
    tile_um, marks = float(header["tile_um"]), header["landmarks"]
    return Registration(
        SlideTransform(fixed, moving, planes["affine"], displacement),
        RegistrationQuality(
            tile_um,
            tile_grid(fixed, tile_um),
            planes["similarity"],
            planes["residual_um"],
            planes["state"],
        ),
        None if marks is None else LandmarkError(**marks),
        header["about"],
    )


def _dict_of(slide: PlacedSlide) -> dict[str, Any]:
    return {
        "slide_id": slide.slide_id,
        "mpp": [slide.mpp.x, slide.mpp.y],
        "size_px": [slide.size_px.width, slide.size_px.height],
        "identity": slide.identity,
    }


def _slide_of(saved: dict[str, Any]) -> PlacedSlide:
    return PlacedSlide(
        str(saved["slide_id"]), Mpp(*saved["mpp"]), Size(*saved["size_px"]), str(saved["identity"])
    )
