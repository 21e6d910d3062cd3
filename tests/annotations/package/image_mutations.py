"""Tamperings with the images of a package, each as careful as a forger could be."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from tests.annotations.package.mutations import Mutation, edit_json, reseal, sha256

_REPORT = "data/privacy/deid-report.json"
_TABLE = "data/tables/images.csv"
_OTHER = "0123456789ABCDEF"


def image_of(package: Path) -> Path:
    """The one image file of a package."""
    (image,) = (p for p in (package / "data/images").rglob("*") if p.is_file())
    return image


def _picture(package: Path) -> Path:
    (picture,) = (package / "data/pictures").iterdir()
    return picture


def _edit_report(package: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the report on the one slide."""
    edit_json(package / _REPORT, lambda d: edit(next(iter(d["slides"].values()))))


def restate(package: Path) -> None:
    """State the image's size and hash wherever a package does, the catalogue included."""
    image = image_of(package)
    facts = {"bytes": image.stat().st_size, "sha256": sha256(image)}
    _edit_report(package, lambda report: report.update(files={image.name: facts}))
    with (package / _TABLE).open(encoding="utf8", newline="") as file:
        (row,) = csv.DictReader(file)
    row |= {"size_bytes": str(facts["bytes"]), "sha256": str(facts["sha256"])}
    with (package / _TABLE).open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    _restate_catalogue(package / "data")
    reseal(package)


def _restate_catalogue(data: Path) -> None:
    def datapackage(document: dict[str, Any]) -> None:
        for one in document["resources"]:
            one["hash"] = f"sha256:{sha256(data / one['path'])}"

    def croissant(document: dict[str, Any]) -> None:
        for one in document["distribution"]:
            if "contentUrl" in one:
                one["sha256"] = sha256(data / one["contentUrl"])

    edit_json(data / "datapackage.json", datapackage)
    edit_json(data / "croissant.json", croissant)


def other_pixels(package: Path) -> None:
    """The image encoded anew, with a coarser quantisation; all hashes of files are right."""
    image = image_of(package)
    data = bytearray(image.read_bytes())
    table = data.index(b"\xff\xdb") + 5  # marker, length, and number of the table
    data[table] += 1
    image.write_bytes(bytes(data))
    restate(package)


def _label_put_back(package: Path) -> None:
    image = image_of(package)
    with tifffile.TiffWriter(image, append=True) as writer:
        writer.write(
            np.zeros((64, 64, 3), np.uint8),
            photometric="rgb",
            compression="lzw",
            rowsperstrip=64,
            subfiletype=1,
            description="Aperio Image Library v12.0.0\r\nlabel 64x64",
            metadata=None,
        )
    restate(package)


def _other_file(package: Path) -> None:
    image = image_of(package)
    image.write_bytes(image.read_bytes() + b"\0")
    reseal(package)


def _image_of_a_stranger(package: Path) -> None:
    image = image_of(package)
    stranger = package / "data/images" / _OTHER / f"{_OTHER}.svs"
    stranger.parent.mkdir()
    shutil.copy(image, stranger)
    reseal(package)


def _images_taken_out(package: Path) -> None:
    shutil.rmtree(package / "data/images")
    reseal(package)


def _image_without_report(package: Path) -> None:
    shutil.copy(image_of(package), image_of(package).with_name("more.svs"))
    reseal(package)


def _report_of_more(package: Path) -> None:
    facts = {"bytes": 1, "sha256": "0" * 64}
    _edit_report(package, lambda report: report["files"].update({"more.svs": facts}))
    reseal(package)


def _said_to_hold_none(package: Path) -> None:
    edit_json(package / "data/privacy/release.json", lambda d: d.update(images="none"))
    reseal(package)


def _another_size(package: Path) -> None:
    _edit_report(package, lambda report: report["levels"][0].update(width=7))
    reseal(package)


def _another_media_type(package: Path) -> None:
    path = package / _TABLE
    path.write_text(path.read_text("utf8").replace("image/tiff", "image/png"), "utf8")
    reseal(package)


def _report_that_is_none(package: Path) -> None:
    (package / _REPORT).write_text(json.dumps({"slides": {_OTHER: {}}}), "utf8")
    reseal(package)


def _words_in_the_picture(package: Path) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "of whom it is")
    with Image.open(_picture(package)) as picture:
        picture.load()
        picture.save(_picture(package), pnginfo=words)
    reseal(package)


def _picture_of_a_stranger(package: Path) -> None:
    shutil.copy(_picture(package), _picture(package).with_name(f"{_OTHER}.png"))
    reseal(package)


IMAGE_MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "re-encoded pixel": (other_pixels, "pixels are not those that were de-identified"),
    "label put back": (_label_put_back, "the image holds pictures beside the slide"),
    "another file": (_other_file, "the image is not the file that was de-identified"),
    "image of a slide that is not packaged": (
        _image_of_a_stranger,
        "an image of a slide that is not in the package",
    ),
    "images taken out": (_images_taken_out, "the package says that it holds images, and lacks"),
    "image without report": (
        _image_without_report,
        "an image that no report on de-identification names",
    ),
    "report without image": (
        _report_of_more,
        "the report on de-identification names a file that is missing",
    ),
    "said to hold no images": (
        _said_to_hold_none,
        "in a package that says that it holds no images",
    ),
    "another size": (_another_size, "the image is not as its report describes it"),
    "another type in the table": (
        _another_media_type,
        "does not agree with the report on de-identification",
    ),
    "report that is none": (
        _report_that_is_none,
        "the report on de-identification cannot be read",
    ),
    "words in a picture": (_words_in_the_picture, "not a plain small picture"),
    "picture of a slide that is not packaged": (
        _picture_of_a_stranger,
        "a picture of a slide that has no image",
    ),
    "picture taken out": (
        lambda package: _picture(package).unlink(),
        "the picture of a slide is missing",
    ),
}
"""Name → the change to a package with images, and how the finding begins that is its own."""
