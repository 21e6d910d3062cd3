"""TIAToolbox's semantic segmentor over a whole slide, with the weights of slide_prediction.py.

Runs in TIAToolbox's own environment, started by slide_prediction.py:
SLIDE FOLDER NETWORK SIZE STRIDE MPP DEVICE, or --map FOLDER to write what it found as one array.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tiatoolbox.models.architecture.utils import argmax_last_axis
from tiatoolbox.models.engine.io_config import IOSegmentorConfig
from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
from tiatoolbox.models.models_abc import ModelABC


class Traced(ModelABC):
    """The traced network, which takes bytes and gives probabilities."""

    def __init__(self, path: str) -> None:
        """Read it."""
        super().__init__()
        self.network = torch.jit.load(path)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities ``(N, C, S, S)`` of images ``(N, S, S, 3)`` uint8."""
        found: torch.Tensor = self.network(images.permute(0, 3, 1, 2).contiguous())
        return found

    @staticmethod
    def postproc(image: NDArray[np.float32]) -> NDArray[np.int64]:
        """Classes of probabilities, channels last."""
        return argmax_last_axis(image=image)

    @staticmethod
    def infer_batch(
        model: torch.nn.Module, batch_data: torch.Tensor, *, device: str
    ) -> NDArray[np.float32]:
        """As the engine wants it: channels last."""
        images = torch.as_tensor(batch_data).to(device)
        with torch.inference_mode():
            return model(images).permute(0, 2, 3, 1).cpu().numpy()


def main() -> None:
    """Predict, or write what was predicted as one array."""
    if sys.argv[1] == "--map":
        write_map(Path(sys.argv[2]))
        return
    slide, folder, network, size, stride, mpp, device = sys.argv[1:]
    side = int(size)
    at = [{"units": "mpp", "resolution": float(mpp)}]
    about = IOSegmentorConfig(
        input_resolutions=at,
        output_resolutions=at,
        patch_input_shape=(side, side),
        patch_output_shape=(side, side),
        stride_shape=(int(stride), int(stride)),
        save_resolution=at[0],
    )
    workers = os.cpu_count() or 1
    engine = SemanticSegmentor(Traced(network), batch_size=4, num_workers=workers, verbose=False)
    engine.run(
        [Path(slide)],
        patch_mode=False,
        ioconfig=about,
        save_dir=Path(folder) / "predicted",
        output_type="zarr",
        return_probabilities=True,
        device=device,
    )
    print(json.dumps({"tiles": len(engine.dataloader.dataset)}))


def write_map(folder: Path) -> None:
    """Probability of the foreground and its class map, uint8, on the slide's pixels."""
    import zarr

    found = zarr.open(next((folder / "predicted").rglob("*.zarr")), mode="r")
    probability = np.asarray(found["probabilities"][..., 1])
    classes = np.asarray(found["predictions"])
    np.savez(
        folder / "map.npz",
        probability=np.rint(probability * 255).astype(np.uint8),
        classes=classes.astype(np.uint8),
    )


if __name__ == "__main__":
    main()
