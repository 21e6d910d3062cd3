"""DeeperHistReg: its default rigid and nonrigid registration, on the CPU.

Runs in DeeperHistReg's own environment, started by registration_landmarks.py.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import deeperhistreg
import numpy as np
import SimpleITK as sitk
import torch
from landmark_line import looked_up, serve


def settings() -> dict:
    """Its own for a rigid start and a nonrigid end, for small images and without a GPU."""
    own = deeperhistreg.configs.default_initial_nonrigid()
    own["loading_params"] |= {
        "loader": "pil",
        "source_resample_ratio": 1.0,
        "target_resample_ratio": 1.0,
    }
    own["device"] = "cpu"
    own["initial_registration_params"] |= {"device": "cpu", "cuda": False}
    # Its settings for 4096 px take 8 levels, those for 2048 px 7; images have about 1000 px here.
    own["preprocessing_params"]["initial_resolution"] = 1024
    bending = own["nonrigid_registration_params"]
    bending |= {"device": "cpu", "registration_size": 1024, "num_levels": 6, "used_levels": 6}
    for name in ("iterations", "learning_rates", "alphas"):
        bending[name] = bending[name][-6:]
    return own


def carry(fixed: str, moving: str, points: np.ndarray, folder: str) -> np.ndarray:
    """Register two images and carry points."""
    deeperhistreg.run_registration(
        source_path=moving,
        target_path=fixed,
        output_path=folder,
        registration_parameters=settings(),
        case_name="pair",
        save_displacement_field=True,
        copy_target=False,
        delete_temporary_results=False,
        temporary_path=str(Path(folder) / "temporary"),
    )
    field = sitk.GetArrayFromImage(sitk.ReadImage(str(Path(folder, "displacement_field.mha"))))
    # Both images are padded to one size; the field is theirs, first across, then down.
    padded = json.loads(Path(folder, "postprocessing_params.json").read_text("utf8"))
    source, target = (_left_and_top(padded[name]) for name in ("pad_1", "pad_2"))
    inside = points + target
    return inside + looked_up(np.moveaxis(field, 0, -1), inside) - source


def _left_and_top(pad: list[list[int]]) -> np.ndarray:
    """Of ``[[above, below], [left, right]]``."""
    return np.array([pad[1][0], pad[0][0]], dtype=float)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(carry, f"DeeperHistReg {version('deeperhistreg')}")
