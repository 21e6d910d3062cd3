"""What each tool does to tiles: one process per tool, started and told what to run by stain.py.

Each operation is a pair: the work that is timed, and what it should give, in float64 by the tool's
own formula (its own white and its own clipping), or none where its random numbers cannot be set.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # torch loads slowly, and four of the six tools go without it
    from pathoai.preprocess.stain.stain_profile import StainProfile

Tiles = NDArray[np.uint8]
Light = NDArray[np.float64]

# One jitter for all tools: amounts of hematoxylin, eosin and the rest, and what is added to them.
_SCALE = np.array([1.1, 0.9, 1.05])
_SHIFT = np.array([0.02, -0.01, 0.01])


@dataclass(frozen=True)
class Operation:
    """Something to time.

    Args:
        run: Makes the images ``(N, 256, 256, 3)``, or an estimate.
        expected: The same in float64, not rounded.
        per: What the time is divided by: the tiles, or 1 for work done once per slide.
    """

    run: Callable[[], object]
    expected: Callable[[], Light] | None
    per: int


def pathoai(tiles: Tiles, target: Tiles) -> dict[str, Operation]:
    """Ours: batches of tensors; stains estimated once per slide."""
    import torch

    from pathoai.preprocess.stain.estimation import profile_of_pixels
    from pathoai.preprocess.stain.normalisation import normalise_batch
    from pathoai.preprocess.stain.stain_jitter import change_stains

    torch.set_num_threads(1)
    batch = torch.from_numpy(tiles.transpose(0, 3, 1, 2).copy())
    factors = torch.from_numpy(np.tile(_SCALE, (len(tiles), 1)))
    added = torch.from_numpy(np.tile(_SHIFT, (len(tiles), 1)))
    pixels = tiles.reshape(-1, 3)
    sample = pixels[np.random.default_rng(0).permutation(len(pixels))[:100_000]]

    def images(found: torch.Tensor) -> NDArray[np.generic]:
        return found.numpy().transpose(0, 2, 3, 1)

    def normalise(method: str) -> Operation:
        source = profile_of_pixels(sample, method)
        wanted = profile_of_pixels(target.reshape(-1, 3), method)
        return Operation(
            lambda: images(normalise_batch(batch, source, wanted)),
            None if method == "reinhard" else lambda: _exchanged(tiles, source, wanted),
            len(tiles),
        )

    operations = {
        "jitter": Operation(
            lambda: images(change_stains(batch, factors, added)),
            lambda: _jittered(tiles),
            len(tiles),
        ),
        "normalise, Macenko": normalise("macenko"),
        "normalise, Vahadane": normalise("vahadane"),
        "normalise, Reinhard": normalise("reinhard"),
    }
    for method in ("macenko", "vahadane", "reinhard"):
        name = f"estimate once per slide, {method.title()}"
        operations[name] = Operation(
            functools.partial(profile_of_pixels, sample, method), None, per=1
        )
    return operations


def _exchanged(tiles: Tiles, source: StainProfile, target: StainProfile) -> Light:
    """Amounts by least squares, scaled by percentiles, in float64; white is 256 of 256."""
    density = -np.log((tiles.astype(np.float64) + 1) / 256)
    amounts = density @ np.linalg.pinv(np.array(source.matrix))
    amounts *= np.array(target.maximum) / np.array(source.maximum)
    return np.clip(256 * np.exp(-amounts @ np.array(target.matrix)) - 1, 0, 255)


def _jittered(tiles: Tiles) -> Light:
    """Unmix, change, mix, in float64; white is 256 of 256."""
    from pathoai.preprocess.stain.stain_matrix import stain_matrix

    matrix = stain_matrix()
    amounts = -np.log((tiles.astype(np.float64) + 1) / 256) @ np.linalg.inv(matrix)
    return np.clip(256 * np.exp(-(amounts * _SCALE + _SHIFT) @ matrix) - 1, 0, 255)


def scikit_image(tiles: Tiles, _: Tiles) -> dict[str, Operation]:
    """Unmixing and mixing, with the change between; its vectors, and its clipping of amounts."""
    from skimage import color

    unit = -np.log(1e-6)  # of its amounts, in optical density

    def run() -> NDArray[np.generic]:
        changed = [color.hed2rgb(color.rgb2hed(tile) * _SCALE + _SHIFT / unit) for tile in tiles]
        return np.rint(np.array(changed) * 255)

    def expected() -> Light:
        light = np.maximum(tiles / 255, 1e-6)
        amounts = np.maximum(-np.log(light) / unit @ color.hed_from_rgb, 0)
        mixed = (amounts * _SCALE + _SHIFT / unit) @ color.rgb_from_hed
        return np.asarray(255 * np.clip(np.exp(-unit * mixed), 0, 1), np.float64)

    return {"jitter": Operation(run, expected, len(tiles))}


def torchstain(tiles: Tiles, target: Tiles) -> dict[str, Operation]:
    """Its torch back end; the reference is its numpy back end, which is float64."""
    import torch
    import torchstain.torch.augmentors as augmentors
    from torchstain.numpy import normalizers as in_numpy
    from torchstain.torch import normalizers as in_torch

    torch.set_num_threads(1)
    batch = torch.from_numpy(tiles.transpose(0, 3, 1, 2).copy())
    wanted = torch.from_numpy(target.transpose(2, 0, 1).copy())
    macenko, macenko_64 = in_torch.TorchMacenkoNormalizer(), in_numpy.NumpyMacenkoNormalizer()
    reinhard = in_torch.TorchReinhardNormalizer()
    macenko.fit(wanted)
    macenko_64.fit(target)
    reinhard.fit(wanted)
    augmentor = augmentors.TorchMacenkoAugmentor()

    def augment() -> None:
        for tile in batch:
            augmentor.fit(tile)
            augmentor.augment()

    def normalise() -> NDArray[np.generic]:
        return np.array([macenko.normalize(tile, stains=False)[0].numpy() for tile in batch])

    return {
        "jitter": Operation(augment, None, len(tiles)),
        "normalise, Macenko": Operation(
            normalise,
            lambda: np.array([macenko_64.normalize(t, stains=False)[0] for t in tiles], np.float64),
            len(tiles),
        ),
        "normalise, Reinhard": Operation(
            lambda: np.array([reinhard.normalize(tile).numpy() for tile in batch]),
            None,
            len(tiles),
        ),
    }


def tiatoolbox(tiles: Tiles, target: Tiles) -> dict[str, Operation]:
    """Its normalisers, and its augmentor with a given matrix; its pixels are float64 throughout."""
    from tiatoolbox.tools.stainaugment import StainAugmentor
    from tiatoolbox.tools.stainnorm import get_normalizer

    operations = {}
    for method in ("Macenko", "Vahadane", "Reinhard"):
        normalizer = get_normalizer(method)
        normalizer.fit(target)
        expected = None
        if method != "Reinhard":
            extract = normalizer.extractor.get_stain_matrix
            its = (extract, normalizer.maxC_target, normalizer.stain_matrix_target)
            expected = functools.partial(_exchanged_by, *its, tiles)
        operations[f"normalise, {method}"] = Operation(
            functools.partial(_each, normalizer.transform, tiles), expected, len(tiles)
        )
    matrix = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    augmentor = StainAugmentor(method="macenko", stain_matrix=matrix, augment_background=True)
    operations["jitter"] = Operation(functools.partial(_each, augmentor, tiles), None, len(tiles))
    return operations


def _each(change: Callable[[Tiles], Tiles], tiles: Tiles) -> Tiles:
    """Each tile changed by itself, copied first because some tools write into it."""
    return np.array([change(tile.copy()) for tile in tiles])


def _exchanged_by(
    extract: Callable[[Tiles], Light], highest: Light, vectors: Light, tiles: Tiles
) -> Light:
    """Amounts by least squares in each tile's own matrix, scaled by percentiles; white is 255."""
    found = []
    for tile in tiles:
        density = -np.log(np.maximum(tile.reshape(-1, 3), 1) / 255.0)
        amounts = np.maximum(density, 1e-6) @ np.linalg.pinv(extract(tile.copy()))
        amounts *= highest / np.percentile(amounts, 99, axis=0)
        found.append(255 * np.exp(-amounts @ vectors))
    return np.clip(np.array(found), 0, 255).reshape(tiles.shape)


def opencv(tiles: Tiles, _: Tiles) -> dict[str, Operation]:
    """Considered for pathoai: a look-up table, a 3 × 4 transform and an exponential."""
    import cv2

    cv2.setNumThreads(1)
    mix, bias, density = _affine()
    planes = tiles.transpose(0, 3, 1, 2).copy()
    affine = np.hstack([-mix.T, bias[:, None]]).astype(np.float32)

    def run() -> NDArray[np.generic]:
        out = np.empty_like(planes)
        for tile, found in zip(planes, out, strict=True):
            mixed = cv2.transform(cv2.LUT(cv2.merge(list(tile)), density), affine)
            light = cv2.add(cv2.exp(mixed), (-1.0, -1.0, -1.0, 0.0), dtype=cv2.CV_8U)
            for channel in range(3):
                cv2.extractChannel(light, channel, found[channel])
        return out.transpose(0, 2, 3, 1)

    return {"jitter": Operation(run, lambda: _jittered(tiles), len(tiles))}


def numba(tiles: Tiles, _: Tiles) -> dict[str, Operation]:
    """Considered for pathoai: the exponential of a sum is a product, so nine tables per image."""
    import numba as nb

    mix, bias, density = _affine()
    planes = tiles.transpose(0, 3, 1, 2).copy()

    @nb.njit(fastmath=True, nogil=True)
    def multiply(pixels: Tiles, tables: NDArray[np.float32], out: Tiles) -> None:
        for at in range(pixels.shape[1]):
            red, green, blue = pixels[0, at], pixels[1, at], pixels[2, at]
            for to in range(3):
                light = tables[to, 0, red] * tables[to, 1, green] * tables[to, 2, blue]
                light -= np.float32(0.5)
                out[to, at] = np.uint8(min(max(light, np.float32(0)), np.float32(255)))

    def run() -> NDArray[np.generic]:
        out = np.empty_like(planes)
        for tile, found in zip(planes, out, strict=True):
            tables = np.exp(-mix.T[:, :, None] * density)
            tables[:, 0] *= np.exp(bias)[:, None]
            multiply(tile.reshape(3, -1), tables.astype(np.float32), found.reshape(3, -1))
        return out.transpose(0, 2, 3, 1)

    return {"jitter": Operation(run, lambda: _jittered(tiles), len(tiles))}


def _affine() -> tuple[Light, Light, NDArray[np.float32]]:
    """The jitter as ``density @ matrix``, the logarithm of what it adds, and the densities."""
    from pathoai.preprocess.stain.stain_matrix import stain_matrix

    matrix = stain_matrix()
    mix = np.linalg.inv(matrix) @ np.diag(_SCALE) @ matrix
    density = -np.log((np.arange(256) + 1) / 256)
    return mix, np.log(256) - _SHIFT @ matrix, density.astype(np.float32)


TOOLS: dict[str, Callable[[Tiles, Tiles], dict[str, Operation]]] = {
    "pathoai": pathoai,
    "scikit-image": scikit_image,
    "torchstain": torchstain,
    "tiatoolbox": tiatoolbox,
    "opencv": opencv,
    "numba": numba,
}


_PACKAGES = {"opencv": "opencv-python-headless"}


def _difference(operation: Operation) -> dict[str, float]:
    if operation.expected is None:
        operation.run()
        return {}
    found = np.asarray(operation.run(), np.float64)
    apart = np.abs(found - operation.expected())
    return {"largest": float(apart.max()), "mean": float(apart.mean())}


def main() -> None:
    """Say what there is and how exact it is, then time what is asked for, a line each."""
    answer = os.fdopen(os.dup(1), "w")
    with contextlib.redirect_stdout(sys.stderr), np.load(sys.argv[2]) as data:
        operations = TOOLS[sys.argv[1]](data["tiles"], data["target"])
        exact = {name: _difference(operation) for name, operation in operations.items()}
        version = metadata.version(_PACKAGES.get(sys.argv[1], sys.argv[1]))
        print(json.dumps({"version": version, "exact": exact}), file=answer, flush=True)
        for line in sys.stdin:
            operation = operations[line.strip()]
            operation.run()  # caches are cold after the other tools' turns
            start = time.process_time()
            operation.run()
            spent = time.process_time() - start
            print(json.dumps(1e3 * spent / operation.per), file=answer, flush=True)


if __name__ == "__main__":
    main()
