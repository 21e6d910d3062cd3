"""Images per second of the same augmentation on a CPU: our two ways, and the libraries alone.

    python benchmarks/augmentation.py --out benchmarks/results/augmentation.md

One process, one thread, the same tiles; rounds are interleaved, and the median of process CPU time
is given. Each row varies by one thing at every image, the last by all of them. The libraries are
called as their manuals say: a transform that draws for itself, one image after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine
from numpy.typing import NDArray
from torchvision.transforms import v2

from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai_training.augmentation.albumentations_operations import AlbumentationsOperations
from pathoai_training.augmentation.amounts import Affine, Blur, Colour, Elastic, Noise
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.torch_operations import TorchOperations
from pathoai_training.augmentation.variation import Views
from pathoai_training.augmentation.vary import ImageOperations, vary

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import cv2

_TILE_PX, _TILES, _MPP = 256, 8, 0.5
_VIEWS = Views(_TILE_PX, (_MPP,))
_PACKAGES = ["torch", "torchvision", "albumentations", "opencv-python-headless", "numpy"]
_WAYS = ("`where: batch`", "`where: loader`", "albumentations alone", "torchvision v2 per image")
_NOTHING: Mapping[str, Any] = {"dihedral": False, "stain_scale": 0, "stain_shift": 0}
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One augmentation in three spellings.

    Args:
        ours: Keys of `data.augmentation`.
        albumentations: Its transforms.
        torchvision: Those of torchvision; none where it has no such transform for bytes.
    """

    ours: Mapping[str, Any]
    albumentations: tuple[Any, ...]
    torchvision: tuple[Any, ...]


def cases() -> dict[str, Case]:
    """What is varied, each always."""
    named = _of_places() | _of_colours()
    parts = list(named.values())
    both = [part for part in parts if part.torchvision]
    return named | {"all but stains": _together(both), "all": _together(parts, torchvision=False)}


def _together(parts: Sequence[Case], *, torchvision: bool = True) -> Case:
    return Case(
        {key: value for part in parts for key, value in part.ours.items()},
        tuple(t for part in parts for t in part.albumentations),
        tuple(t for part in parts for t in part.torchvision) if torchvision else (),
    )


def _of_places() -> dict[str, Case]:
    degrees, scale, shear, shift = 20.0, 0.1, 5.0, 4.0
    share = shift / _MPP / _TILE_PX
    affine = Case(
        {"affine": Affine(rotation_deg=degrees, scale=scale, shear_deg=shear, shift_um=shift)},
        (
            A.Affine(
                rotate=(-degrees, degrees),
                scale=(1 - scale, 1 + scale),
                shear={"x": (-shear, shear), "y": (0, 0)},
                translate_percent=(-share, share),
                border_mode=cv2.BORDER_REFLECT,
                fill_mask=255,
                p=1,
            ),
        ),
        (
            v2.RandomAffine(
                degrees,
                translate=(share, share),
                scale=(1 - scale, 1 + scale),
                shear=shear,
                interpolation=v2.InterpolationMode.BILINEAR,
                fill={torch.Tensor: 255, "others": 255},
            ),
        ),
    )
    elastic = Case(
        {"elastic": Elastic(shift_um=2, period_um=20, probability=1)},
        (A.ElasticTransform(alpha=60, sigma=12, border_mode=cv2.BORDER_REFLECT, p=1),),
        (v2.ElasticTransform(alpha=30.0, sigma=8.0),),
    )
    symmetry = Case(
        {"dihedral": True},
        (A.D4(p=1),),
        (v2.RandomHorizontalFlip(), v2.RandomChoice([_turn(k) for k in range(4)])),
    )
    return {"symmetries": symmetry, "affine": affine, "elastic": elastic}


def _of_colours() -> dict[str, Case]:
    stains = Case(
        {"stain_scale": 0.15, "stain_shift": 0.03},
        (
            A.HEStain(
                method="preset",
                preset="ruifrok",
                intensity_scale_range=(0.85, 1.15),
                intensity_shift_range=(-0.03, 0.03),
                p=1,
            ),
        ),
        (),
    )
    colour = Case(
        {"colour": Colour(brightness=0.15, contrast=0.15, saturation=0.15, hue_deg=9)},
        (A.ColorJitter((0.85, 1.15), (0.85, 1.15), (0.85, 1.15), (-0.025, 0.025), p=1),),
        (v2.ColorJitter(0.15, 0.15, 0.15, 0.025),),
    )
    blur = Case(
        {"blur": Blur(sigma_um=0.75, probability=1)},
        (A.GaussianBlur(sigma_limit=(0.01, 1.5), p=1),),
        (v2.GaussianBlur(11, (0.01, 1.5)),),
    )
    noise = Case(
        {"noise": Noise(levels=8, probability=1)},
        (A.GaussNoise(std_range=(0, 8 / 255), p=1),),
        (
            v2.ToDtype(torch.float32, scale=True),
            v2.GaussianNoise(sigma=4 / 255),
            v2.ToDtype(torch.uint8, scale=True),
        ),
    )
    return {"stains": stains, "light and hue": colour, "blur": blur, "noise": noise}


def _turn(quarters: int) -> Any:  # noqa: ANN401 - torchvision is not typed
    return v2.Lambda(lambda image: torch.rot90(image, quarters, (-2, -1)))


def tiles() -> tuple[Pixels, NDArray[np.uint8]]:
    """``(N, S, S, 3)`` of a generated slide, and masks ``(N, S, S)`` of their dark pixels."""
    truth = plan_slide(SlideRecipe(width=4096, height=4096))
    block = paint_region(truth, 1024, 1024, 4 * _TILE_PX, 2 * _TILE_PX)
    cut = block.reshape(2, _TILE_PX, 4, _TILE_PX, 3).transpose(0, 2, 1, 3, 4)
    images = np.ascontiguousarray(cut.reshape(_TILES, _TILE_PX, _TILE_PX, 3))
    return images, (images.mean(3) < 140).astype(np.uint8)


def works(case: Case, images: Pixels, masks: Pixels) -> dict[str, Callable[[int], object]]:
    """The ways to vary one batch, given the number of the round."""
    batch = (
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(masks),
    )
    recipe = Augmentation(**(_NOTHING | dict(case.ours)))

    def ours(operations: ImageOperations) -> Callable[[int], object]:
        def run(turn: int) -> object:
            drawn = recipe.draw(_TILES, torch.Generator().manual_seed(turn), _VIEWS)
            return vary(batch, drawn, _VIEWS, operations)

        return run

    pipeline = A.Compose(list(case.albumentations), seed=0)

    def alone(_: int) -> object:
        return [pipeline(image=i, mask=m) for i, m in zip(images, masks, strict=True)]

    found = {
        _WAYS[0]: ours(TorchOperations()),
        _WAYS[1]: ours(AlbumentationsOperations()),
        _WAYS[2]: alone,
    }
    if case.torchvision:
        found[_WAYS[3]] = _per_image(v2.Compose(list(case.torchvision)), *batch)
    return found


def _per_image(
    transform: Callable[..., object], images: torch.Tensor, masks: torch.Tensor
) -> Callable[[int], object]:
    from torchvision import tv_tensors

    pairs = [(tv_tensors.Image(i), tv_tensors.Mask(m)) for i, m in zip(images, masks, strict=True)]
    return lambda _: [transform(*pair) for pair in pairs]


def seconds(ways: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, one uncounted round first."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, work in ways.items():
            start = time.process_time()
            work(turn)
            if turn:
                found[way].append(time.process_time() - start)
    return {way: statistics.median(spent) for way, spent in found.items()}


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    images, masks = tiles()
    rows = []
    for name, case in cases().items():
        spent = seconds(works(case, images, masks), options.rounds)
        rates = [f"{_TILES / spent[way]:.0f}" if way in spent else "–" for way in _WAYS]
        ratio = spent[_WAYS[2]] / spent[_WAYS[1]]
        rows.append(f"| {name} | {' | '.join(rates)} | {ratio:.2f} |")
        print(rows[-1])
    report = _report(rows, options.rounds)
    if options.out:
        options.out.write_text(report, "utf8")
        print(f"wrote {options.out}")


def _report(rows: list[str], rounds: int) -> str:
    return "\n".join(
        [
            "# Augmentation on a CPU",
            "",
            f"{machine(_PACKAGES)}; one thread; batches of {_TILES} tiles of {_TILE_PX} px of a",
            f"generated slide with a mask each; median of {rounds} interleaved rounds of process",
            "CPU time. The ratios are the claim, not the times.",
            "",
            "| images per second | " + " | ".join(_WAYS) + " | loader beside albumentations |",
            "|---|" + "---|" * (len(_WAYS) + 1),
            *rows,
            "",
            "Amounts are alike in all columns (each defines elastic fields otherwise), and every",
            "image is varied. Ours warp once where affine and elastic come together, and change",
            "stains by one matrix of optical density per image.",
            "`where: batch` is meant for GPUs, and shares a CPU with the network; `where: loader`",
            "runs in the processes of `data.workers`. A dash: torchvision has no stains.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
