"""LazySlide's semantic segmentation over a whole slide, with the weights of slide_prediction.py.

Runs in LazySlide's own environment, started by slide_prediction.py:
SLIDE FOLDER NETWORK SIZE STRIDE MPP DEVICE, or --map FOLDER to write what it found as one array.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import lazyslide
import numpy as np
import torch
from lazyslide_models.base import SegmentationOutput


class Traced:
    """The traced network, which takes bytes and gives probabilities."""

    def __init__(self, path: str) -> None:
        """Read it."""
        self.model = torch.jit.load(path)

    def get_transform(self) -> None:
        """None: the network normalises."""

    def to(self, device: str) -> Traced:
        """Move it."""
        self.model.to(device)
        return self

    def segment(self, image: torch.Tensor) -> SegmentationOutput:
        """Probabilities of images ``(N, S, S, 3)`` uint8."""
        found = self.model(image.permute(0, 3, 1, 2).contiguous())
        return SegmentationOutput(probability_map=found)


def main() -> None:
    """Predict, or write what was predicted as one array."""
    if sys.argv[1] == "--map":
        write_map(Path(sys.argv[2]))
        return
    slide, folder, network, size, stride, mpp, device = sys.argv[1:]
    wsi = lazyslide.open_wsi(slide, store=str(Path(folder) / "slide.zarr"))
    lazyslide.pp.find_tissues(wsi)
    lazyslide.pp.tile_tissues(wsi, int(size), stride_px=int(stride), mpp=float(mpp))
    lazyslide.seg.semantic(
        wsi,
        Traced(network),
        batch_size=4,
        num_workers=os.cpu_count() or 1,
        device=device,
        class_names=["background", "foreground"],
        pbar=False,
        key_added="found",
    )
    wsi.write()
    tiles = wsi["tiles"].bounds[["minx", "miny"]].to_numpy()
    np.save(Path(folder) / "tiles.npy", tiles)
    print(json.dumps({"tiles": len(tiles)}))


def write_map(folder: Path) -> None:
    """The class map, uint8, on the slide's pixels, from the outlines that are all it keeps."""
    import cv2
    import spatialdata

    shapes = spatialdata.read_zarr(folder / "slide.zarr")["found"]
    side = json.loads((folder / "size.json").read_text("ascii"))
    classes = np.zeros((side["height"], side["width"]), np.uint8)
    for polygon in shapes.geometry:
        rings = [polygon.exterior, *polygon.interiors]
        points = [np.rint(np.asarray(ring.coords)).astype(np.int32) for ring in rings]
        cv2.fillPoly(classes, points, 1)
    np.savez(folder / "map.npz", classes=classes, tiles=np.load(folder / "tiles.npy"))


if __name__ == "__main__":
    main()
