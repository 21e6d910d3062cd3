"""Tamperings with what was derived from the outlines, every hash made right again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import zarr

from tests.annotations.package.mutations import Mutation, edit_json, reseal

LOSSES = "data/provenance/loss-report.json"


def _sealed(mutation: Mutation) -> Mutation:
    def mutate(package: Path) -> None:
        mutation(package)
        reseal(package)

    return mutate


def richest(package: Path) -> str:
    """Code of the slide with most outlines: its first has a hole."""
    files = (package / "data/annotations/geojson").iterdir()
    return max(files, key=lambda p: p.stat().st_size).stem


def mask(package: Path) -> Path:
    return package / "data/masks" / f"{richest(package)}.ome.zarr"


def dicom(package: Path, form: str) -> Path:
    return package / "data/annotations/dicom" / f"{richest(package)}.{form}.dcm"


def _others(package: Path, folder: str) -> list[Path]:
    files = sorted((package / "data" / folder).iterdir())
    return [path for path in files if not path.name.startswith(richest(package))]


def _untiled(package: Path) -> str:
    slides = json.loads((package / LOSSES).read_text("utf8"))["slides"]
    (code,) = [slide for slide, forms in slides.items() if not forms["mask"]["written"]]
    return str(code)


def _in_mask(name: str, row: int, column: int, value: int) -> Mutation:
    def mutate(package: Path) -> None:
        array = zarr.open_array(mask(package) / name, mode="r+")
        assert array[row, column] != value
        array[row, column] = value

    return _sealed(mutate)


def _in_dicom(form: str, edit: Callable[[pydicom.Dataset], object]) -> Mutation:
    def mutate(package: Path) -> None:
        path = dicom(package, form)
        file = pydicom.dcmread(path)
        edit(file)
        file.save_as(path)

    return _sealed(mutate)


def _in_losses(edit: Callable[[dict[str, Any], str], object]) -> Mutation:
    return _sealed(
        lambda package: edit_json(package / LOSSES, lambda d: edit(d["slides"], richest(package)))
    )


def _flipped_pixels(file: pydicom.Dataset) -> None:
    data = bytearray(file.PixelData)
    data[len(data) // 2] ^= 1
    file.PixelData = bytes(data)


def _seg_of_another_slide(package: Path) -> None:
    (other,) = [p for p in _others(package, "annotations/dicom") if p.name.endswith(".seg.dcm")]
    shutil.copyfile(other, dicom(package, "seg"))


def _mask_of_nobody(package: Path) -> None:
    shutil.copytree(mask(package), mask(package).with_name("0123456789ABCDEF.ome.zarr"))


def _a_file_more(package: Path) -> None:
    (mask(package) / "c").write_bytes(b"Jane")


def _no_losses(package: Path) -> None:
    (package / LOSSES).write_text("{}")


def _dicom_of_an_untiled_slide(package: Path) -> None:
    path = dicom(package, "ann")
    shutil.copyfile(path, path.with_name(f"{_untiled(package)}.ann.dcm"))


DERIVED_MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "a pixel of the mask": (_in_mask("0", 75, 75, 7), "the mask is not that of the outlines"),
    "a pixel of a coarser level": (
        _in_mask("instance/1", 40, 40, 7),
        "a coarser level of the mask is not that of the level below",
    ),
    "a class of the mask": (
        _sealed(
            lambda package: edit_json(
                mask(package) / "zarr.json",
                lambda d: d["attributes"]["ome"]["image-label"]["properties"][0].update(name="X"),
            )
        ),
        "the mask says other than the classes and annotations",
    ),
    "a file more in the mask": (
        _sealed(_a_file_more),
        "a file that is no part of the mask",
    ),
    "a file less in the mask": (
        _sealed(lambda package: (mask(package) / "0/zarr.json").unlink()),
        "the mask cannot be read",
    ),
    "no mask": (
        _sealed(lambda package: shutil.rmtree(mask(package))),
        "a derived form of the outlines is missing",
    ),
    "mask of a slide that is not there": (
        _sealed(_mask_of_nobody),
        "derived from a slide that the package does not hold",
    ),
    "DICOM of a slide that was not tiled": (
        _sealed(_dicom_of_an_untiled_slide),
        "a derived form that could not have been made",
    ),
    "segmentation of another slide": (
        _sealed(_seg_of_another_slide),
        "the DICOM file cannot be read, or is of another slide",
    ),
    "a pixel of the segmentation": (
        _in_dicom("seg", _flipped_pixels),
        "the DICOM file does not say what the outlines say",
    ),
    "patient by name in DICOM": (
        _in_dicom("sr", lambda file: setattr(file, "PatientName", "Doe^Jane")),
        "a DICOM file says more than packages do: PatientName",
    ),
    "comment in DICOM": (
        _in_dicom("ann", lambda file: setattr(file, "ImageComments", "Jane Doe")),
        "a DICOM file says more than packages do: ImageComments",
    ),
    "a word in an element that may be there": (
        _in_dicom("seg", lambda file: setattr(file, "ContentDescription", "Jane Doe")),
        "a DICOM file says more than packages do: ContentDescription",
    ),
    "a loss that is hidden": (
        _in_losses(lambda slides, code: slides[code]["seg"]["lost"].pop("points")),
        "the loss report does not say what the seg of slide",
    ),
    "a slide that the loss report passes over": (
        _in_losses(lambda slides, code: slides.pop(code)),
        "the loss report is not about the slides of the package",
    ),
    "no loss report": (
        _sealed(_no_losses),
        "the loss report cannot be read",
    ),
}
"""Name → the change, and how the finding begins that is its own."""
