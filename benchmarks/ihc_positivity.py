"""Positive nuclei of real IHC images, by our recipe, QuPath-style thresholds and rgb2hed with Otsu.

    python benchmarks/ihc_positivity.py FOLDER --out benchmarks/results/ihc_positivity.md

FOLDER has the layout of DeepLIIF's sample set: Datasets/Sample_Dataset of the repository
nadeemlab/DeepLIIF (Apache 2.0 with the Commons Clause; its authors ask for non-commercial academic
use), or the test set at https://zenodo.org/record/4751737. Each picture of a subfolder (test, val,
train) is six squares side by side: IHC first, true nuclei last, positive red, negative blue, their
borders green. A picture of the same name in <subfolder>_groundtruth takes the place of the last.
No image is copied into this repository.

All methods see the same pixels and get the same cleaning (specks and holes below 8 µm²), so what
differs is how brown is told apart and from where on it counts. Ours estimates stains and threshold
on each image as if it were a slide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import color, filters, morphology

from pathoai.ihc.extract import extract
from pathoai.ihc.recipe import load_recipe
from pathoai.ihc.stains import stains_of_sample
from pathoai.ihc.threshold import threshold_of
from pathoai.metrics.panoptic import count_objects
from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.preprocess.stain.stain_matrix import stain_matrix

_Mask = NDArray[np.bool_]
_Picture = NDArray[np.uint8]
_SMALLEST_UM2 = 8.0
_BORDER_PX = 4
# QuPath's default vectors for H-DAB, and the usual thresholds of its cell detection, decadic.
_QUPATH = np.array([(0.651, 0.701, 0.290), (0.269, 0.568, 0.778)])
_QUPATH_OD = (0.2, 0.4)


@dataclass(frozen=True, eq=False)
class Truth:
    """Numbers of the true nuclei of an image, ``(H, W)``; 0 outside.

    Args:
        positive: Of positive ones.
        negative: Of negative ones.
    """

    positive: NDArray[np.int32]
    negative: NDArray[np.int32]


@dataclass
class Score:
    """Sums over images."""

    both: int = 0
    either: int = 0
    matched: float = 0
    objects: float = 0
    called: int = 0
    right_called: int = 0
    positive: int = 0
    negative: int = 0

    def add(self, mask: _Mask, truth: Truth) -> None:
        """Add what a method says of an image."""
        true = truth.positive > 0
        self.both += int((mask & true).sum())
        self.either += int(mask.sum() + true.sum())
        counts = count_objects(truth.positive.astype(np.int64), ndimage.label(mask)[0])
        self.matched += 2 * float(counts.matched)
        self.objects += 2 * float(counts.matched) + float(counts.spurious) + float(counts.missed)
        stained = [_mostly(mask, numbers) for numbers in (truth.positive, truth.negative)]
        self.right_called += int(stained[0].sum())
        self.called += int(stained[0].sum() + stained[1].sum())
        self.positive += len(stained[0])
        self.negative += len(stained[1])

    @property
    def row(self) -> str:
        """Dice, F1 of objects, F1 of nuclei, false positives, index."""
        f1 = 2 * self.right_called / max(1, self.called + self.positive)
        false = (self.called - self.right_called) / max(1, self.negative)
        index = self.called / max(1, self.positive + self.negative)
        objects = self.matched / max(1, self.objects)
        dice = 2 * self.both / max(1, self.either)
        return f"{dice:.3f} | {f1:.3f} | {objects:.3f} | {false:.1%} | {index:.1%}"


def _mostly(mask: _Mask, numbers: NDArray[np.int32]) -> _Mask:
    """Which nuclei are stained on half of their area or more."""
    count = int(numbers.max(initial=0))
    share = ndimage.mean(mask.astype(np.float32), numbers, np.arange(1, count + 1))
    return np.atleast_1d(np.asarray(share)) >= 0.5 if count else np.empty(0, bool)


def ours(picture: _Picture, mpp: float) -> _Mask:
    """The shipped recipe of Ki-67."""
    recipe = load_recipe("MKI67")
    stains = stains_of_sample(picture.reshape(-1, 3), recipe.chromogens)
    amounts = stains.chromogen_amounts(_batch(picture))[0].numpy()
    thresholds = tuple(
        threshold_of(amount.ravel(), target)
        for amount, target in zip(amounts, recipe.targets, strict=True)
    )
    return np.asarray(extract(amounts, recipe, thresholds, mpp).positive > 0)


def qupath(od: float) -> Callable[[_Picture, float], _Mask]:
    """A fixed decadic threshold of DAB by QuPath's default vectors."""

    def find(picture: _Picture, mpp: float) -> _Mask:
        dab = deconvolve(_batch(picture), stain_matrix(_QUPATH))[0, 1].numpy()
        smooth = ndimage.gaussian_filter(dab, 0.5 / mpp)
        return _cleaned(smooth / np.log(10) > od, mpp)

    return find


def otsu(picture: _Picture, mpp: float) -> _Mask:
    """scikit-image's colour separation, with Otsu's threshold of the image."""
    dab = color.rgb2hed(picture)[..., 2]
    return _cleaned(dab > filters.threshold_otsu(dab), mpp)


def otsu_without_zero(picture: _Picture, mpp: float) -> _Mask:
    """The same, black read as the darkest grey: the logarithm of 0 is what else decides."""
    return otsu(np.maximum(picture, np.uint8(1)), mpp)


METHODS: dict[str, Callable[[_Picture, float], _Mask]] = {
    "pathoai, recipe MKI67": ours,
    **{f"QuPath-style, DAB > {od:g}": qupath(od) for od in _QUPATH_OD},
    "rgb2hed + Otsu": otsu,
    "rgb2hed + Otsu, 0 read as 1": otsu_without_zero,
}


def _cleaned(mask: _Mask, mpp: float) -> _Mask:
    size = int(_SMALLEST_UM2 / mpp**2)
    mask = morphology.remove_small_holes(mask, max_size=size)
    return np.asarray(morphology.remove_small_objects(mask, max_size=size))


def _batch(picture: _Picture) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def truth_of(drawn: _Picture) -> Truth:
    """True nuclei as they are drawn; of the green border each pixel goes to the nearest one."""
    red, green, blue = (drawn[..., channel] > 127 for channel in range(3))
    inner = (red | blue) & ~green
    number, _ = ndimage.label(inner)
    distance, nearest = ndimage.distance_transform_edt(~inner, return_indices=True)
    own = green & ~red & ~blue & (distance <= _BORDER_PX)
    number = np.where(own, number[tuple(nearest)], number)
    reds = np.unique(number[inner & red])
    positive = np.isin(number, reds)
    return Truth(_numbered(number, positive), _numbered(number, ~positive))


def _numbered(number: NDArray[np.int32], where: _Mask) -> NDArray[np.int32]:
    """Numbers of the nuclei of one kind, from 1 without gaps."""
    kept = np.where(where, number, 0)
    values = np.unique(kept)
    return np.searchsorted(values, kept).astype(np.int32)


def images(folder: Path, parts: list[str]) -> dict[str, tuple[_Picture, Truth]]:
    """IHC and true nuclei of each image; one that is in several parts counts once."""
    found = {}
    for part in parts:
        for path in sorted((folder / part).glob("*.png")):
            row = np.asarray(Image.open(path).convert("RGB"))
            side = row.shape[0]
            stated = folder / f"{part}_groundtruth" / path.name
            drawn = (
                np.asarray(Image.open(stated).convert("RGB")) if stated.exists() else row[:, -side:]
            )
            found.setdefault(path.stem, (row[:, :side], truth_of(drawn)))
    if not found:
        raise SystemExit(f"no picture in {', '.join(parts)} of the folder: see --help")
    return found


def report(found: dict[str, tuple[_Picture, Truth]], mpp: float) -> str:
    """The table over all images, and Dice of each."""
    total = {name: Score() for name in METHODS}
    single = []
    for image, (picture, truth) in found.items():
        cells = []
        for name, find in METHODS.items():
            mask, own = find(picture, mpp), Score()
            own.add(mask, truth)
            total[name].add(mask, truth)
            cells.append(own.row.split(" | ")[0])
        single.append(f"| {image} | {int(truth.positive.max())} | " + " | ".join(cells) + " |")
    some = next(iter(total.values()))
    true_index = some.positive / max(1, some.positive + some.negative)
    lines = [
        "# Positive nuclei of real IHC images",
        "",
        f"{len(found)} images in the layout of DeepLIIF, {mpp:g} µm per pixel: {some.positive} "
        f"positive and {some.negative} negative nuclei, true index {true_index:.1%}. All methods "
        "in one run, on the same pixels, with the same cleaning.",
        "",
        "| method | Dice of positive pixels | F1 of nuclei | F1 of objects, IoU 0.5 | negative "
        "nuclei called positive | index |",
        "|---|---|---|---|---|---|",
        *(f"| {name} | {score.row} |" for name, score in total.items()),
        "",
        "F1 of nuclei: a true nucleus is called positive where half of it is. F1 of objects: "
        "connected positive areas against true positive nuclei.",
        "",
        "Dice of each image:",
        "",
        "| image | positive nuclei | " + " | ".join(METHODS) + " |",
        "|---" * (2 + len(METHODS)) + "|",
        *single,
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--parts", nargs="+", default=["test", "val"], help="subfolders to read")
    parser.add_argument("--mpp", type=float, default=0.25, help="µm per pixel (default: ×40)")
    options = parser.parse_args()
    text = report(images(options.folder, options.parts), options.mpp)
    print(text)
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
