"""itk-elastix: rigid, affine and B-spline with the maps that it brings, started at the centres.

Runs in itk-elastix's own environment, started by registration_landmarks.py.
"""

from __future__ import annotations

from importlib.metadata import version

import itk
import numpy as np
from landmark_line import looked_up, serve


def carry(fixed: str, moving: str, points: np.ndarray, folder: str) -> np.ndarray:
    """Register two images and carry points."""
    # Dark tissue on white weighs what the glass weighs: turned round, its centre is the tissue's.
    pictures = [itk.array_from_image(itk.imread(p, itk.RGBPixel[itk.UC])) for p in (fixed, moving)]
    grey = [itk.image_from_array(255 - p.mean(-1, dtype=np.float32)) for p in pictures]
    parameters = itk.ParameterObject.New()
    for name in ("rigid", "affine", "bspline"):
        values = parameters.GetDefaultParameterMap(name)
        if name == "rigid":
            values["AutomaticTransformInitialization"] = ["true"]
            values["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
        parameters.AddParameterMap(values)
    _, found = itk.elastix_registration_method(
        *grey, parameter_object=parameters, log_to_console=False, output_directory=folder
    )
    field = itk.array_from_image(itk.transformix_deformation_field(grey[1], found))
    return points + looked_up(field[..., :2], points)


if __name__ == "__main__":
    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(1)
    serve(carry, f"itk-elastix {version('itk-elastix')}")
