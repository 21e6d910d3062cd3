"""VALIS: its rigid and non-rigid registration, with the features that need no download.

Runs in VALIS' own environment, started by registration_landmarks.py. Its default matcher (DISK with
LightGlue) fetches weights when VALIS is imported, and the network is no part of this benchmark; its
SuperGlue, whose weights the package brings, raises TypeError in version 1.2.0. So its slides are
matched as it sorts them by default, and as it matched them by default before: VGG descriptors and
RANSAC.
"""

from __future__ import annotations

from importlib.metadata import version

import kornia
import numpy as np
import torch
from landmark_line import serve

# Its default matcher is made at import, and would fetch weights that are not used here.
kornia.feature.DISK.from_pretrained = classmethod(lambda cls, *_, **__: cls())
kornia.feature.LightGlueMatcher.__init__ = lambda self, *_, **__: torch.nn.Module.__init__(self)

from valis import registration  # noqa: E402


def carry(fixed: str, moving: str, points: np.ndarray, folder: str) -> np.ndarray:
    """Register two images and carry points."""
    registrar = registration.Valis(
        src_dir=folder,
        dst_dir=folder,
        img_list=[fixed, moving],
        reference_img_f=fixed,
        align_to_reference=True,
        imgs_ordered=True,
        matcher=registration.DEFAULT_MATCHER_FOR_SORTING,
    )
    registrar.register()
    here, there = (registrar.get_slide(path) for path in (fixed, moving))
    if here.M is None or there.M is None:
        raise RuntimeError("VALIS ended without a transform")
    return here.warp_xy_from_to(points, there)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(carry, f"VALIS {version('valis-wsi')}")
