"""The adapter to albumentations: no other file of ours imports it.

It is pinned to 2.0.8, the last under the MIT licence; it gets no more fixes, so tests hold each
operation to its definition. Its own random numbers are not used: all ours follow from the step.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import MissingDependencyError
from pathoai_training.augmentation.torch_operations import gaussian_kernel, gaussian_noise
from pathoai_training.augmentation.variation import ColourChange

VERSION = "2.0.8"
_WHERE = "data.augmentation.where: loader"
_LINEAR, _REFLECT = 1, 2
"""Of OpenCV: INTER_LINEAR, and BORDER_REFLECT, which repeats the outermost pixel."""
_ORDER = (0, 1, 2, 3)
"""Brightness, contrast, saturation, hue."""


def check_albumentations() -> None:
    """Refuse to begin without the one release that we know; nothing is imported.

    Raises:
        MissingDependencyError: It is absent, of another version, or replaced by AlbumentationsX,
            which is imported by the same name, sends what is called with it to its makers, and
            has a licence (AGPL) that what is built with pathoai would have to take over.
    """
    found = _version("albumentations")
    replaced = _version("albumentationsx")
    if replaced is None and found == VERSION:
        return
    install = f"pip install --force-reinstall --no-deps albumentations=={VERSION}"
    if replaced is not None:
        raise MissingDependencyError(
            "AlbumentationsX has taken the place of albumentations",
            where=_WHERE,
            found=f"albumentationsx {replaced}, licence AGPL-3.0",
            allowed=f"albumentations {VERSION}, licence MIT",
            remedy=f"pip uninstall albumentationsx, then {install}; or where: batch",
        )
    raise MissingDependencyError(
        "a package is not installed" if found is None else "a package has another version",
        where=_WHERE,
        found=f"albumentations {found or 'absent'}",
        allowed=VERSION,
        remedy="pip install 'pathoai[train]', or where: batch",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package() -> Any:  # noqa: ANN401 - a module
    check_albumentations()
    # It looks for a newer release on the network when it is imported, and here once, before.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    return importlib.import_module("albumentations")


class AlbumentationsOperations:
    """The image operations by albumentations, one image after the other, on the CPU.

    Raises:
        MissingDependencyError: As `check_albumentations`.
    """

    def __init__(self) -> None:
        """Import it."""
        package = _package()
        if torch.utils.data.get_worker_info() is not None:
            # Workers share the cores already, and tiles are small.
            importlib.import_module("cv2").setNumThreads(1)
        # A transform's `apply` computes pixels from parameters that are given.
        self._warp = package.ElasticTransform(interpolation=_LINEAR, border_mode=_REFLECT)
        self._colour = package.ColorJitter()
        self._blur = package.GaussianBlur()
        self._noise = package.GaussNoise()

    def warp(self, images: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
        """As in `ImageOperations`."""
        places = places_px.numpy()
        return _each(
            images,
            lambda image, i: self._warp.apply(
                image, map_x=places[i, ..., 0], map_y=places[i, ..., 1]
            ),
        )

    def recolour(self, images: torch.Tensor, change: ColourChange) -> torch.Tensor:
        """As in `ImageOperations`."""
        # Hues of bytes are steps of two degrees, and it rounds down: half a step more rounds.
        hue = torch.where(change.hue_deg == 0, 0, (change.hue_deg + 1) / 360)
        parts = (change.brightness, change.contrast, change.saturation, hue)
        numbers = torch.stack(parts, 1).tolist()
        names = ("brightness", "contrast", "saturation", "hue")
        return _each(
            images,
            lambda image, i: self._colour.apply(
                image, order=_ORDER, **dict(zip(names, numbers[i], strict=True))
            ),
        )

    def blur(self, images: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
        """As in `ImageOperations`."""
        kernels = [gaussian_kernel(sigma)[0].numpy() for sigma in sigma_px.split(1)]
        return _each(images, lambda image, i: self._blur.apply(image, kernel=kernels[i]))

    def add_noise(self, images: torch.Tensor, levels: torch.Tensor, seed: int) -> torch.Tensor:
        """As in `ImageOperations`."""
        # Whole levels, because it rounds towards 0.
        noise = gaussian_noise(images, levels, seed).round_().permute(0, 2, 3, 1).numpy()
        return _each(images, lambda image, i: self._noise.apply(image, noise_map=noise[i]))


def _each(
    images: torch.Tensor, operation: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
) -> torch.Tensor:
    """Images one by one, channels last: the layout that albumentations has, and the next takes."""
    batch = images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
    done = np.empty_like(batch)
    for i, image in enumerate(batch):
        done[i] = operation(image, i)
    return torch.from_numpy(done).permute(0, 3, 1, 2)
