"""A segmenter given as a file, of the kind of SAM (Kirillov et al., ICCV 2023), run by onnxruntime.

The file is one ONNX graph from picture and clicks to masks:

- ``image``: ``(1, 3, H, W)`` RGB, uint8 or float32 of 0 to 255; scaling of colours is the graph's.
- ``point_coords``: ``(1, N, 2)`` float32, x and y in pixels of the image, N free.
- ``point_labels``: ``(1, N)`` float32 or whole numbers, 1 in the object and 0 beside it.
- ``masks``: ``(1, M, H, W)``, bool, or numbers that are above 0 in the object.
- ``iou_predictions``, where there are several masks: ``(1, M)`` float32; the highest is the best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import MissingFileError, ModelError
from pathoai.models.onnx_packages import onnx_package
from pathoai_annotations.drawing.click_outline import PixelPoints

_FLOAT, _BYTE, _BOOL = "tensor(float)", "tensor(uint8)", "tensor(bool)"
_DTYPES: dict[str, type[np.generic]] = {
    _FLOAT: np.float32,
    _BYTE: np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
_FREE = 0
"""An axis that the file must leave open."""


@dataclass(frozen=True)
class _Value:
    """What a value of the graph must be.

    Args:
        types: As onnxruntime names them.
        axes: Length of each axis; None where any will do.
    """

    types: tuple[str, ...]
    axes: tuple[int | None, ...]

    def check(self, found: Any, where: str) -> None:  # noqa: ANN401 - of onnxruntime
        """Refuse another type or shape."""
        fits = len(found.shape) == len(self.axes) and all(
            wanted is None or not isinstance(length, int) or length == wanted
            for length, wanted in zip(found.shape, self.axes, strict=True)
        )
        if found.type not in self.types or not fits:
            named = {None: "any", _FREE: "free"}
            axes = ", ".join(named.get(length, str(length)) for length in self.axes)
            raise ModelError(
                f"{found.name} of the outline model has another type or shape",
                where=where,
                found=f"{found.type} {list(found.shape)}",
                allowed=f"{' or '.join(self.types)}, shape ({axes})",
            )


_INPUTS = {
    "image": _Value((_FLOAT, _BYTE), (1, 3, None, None)),
    "point_coords": _Value((_FLOAT,), (1, _FREE, 2)),
    "point_labels": _Value((_FLOAT, "tensor(int32)", "tensor(int64)"), (1, _FREE)),
}
_MASKS, _SCORES = "masks", "iou_predictions"
_OUTPUTS = {
    _MASKS: _Value((_FLOAT, _BOOL, _BYTE), (1, None, None, None)),
    _SCORES: _Value((_FLOAT,), (1, None)),
}


class OnnxOutline:
    """An `OutlineMethod` that asks a model in a file.

    Args:
        path: The ONNX file.

    Raises:
        MissingFileError: There is none.
        ModelError: onnxruntime cannot read it, or it takes or gives something else.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """

    def __init__(self, path: Path) -> None:
        """Load the model, and check what it takes and gives."""
        self._name = path.name
        self._session = _open(path)
        inputs = {value.name: value for value in self._session.get_inputs()}
        outputs = {value.name: value for value in self._session.get_outputs()}
        if inputs.keys() != _INPUTS.keys() or _MASKS not in outputs:
            raise ModelError(
                "the file is no outline model: it takes or gives other values",
                where=self._name,
                found=f"{', '.join(inputs)} → {', '.join(outputs)}",
                allowed=f"{', '.join(_INPUTS)} → {', '.join(_OUTPUTS)} (the last is optional)",
            )
        # A graph may give more, such as masks to begin with next time; nobody asks for them.
        self._outputs = [name for name in _OUTPUTS if name in outputs]
        for name, value in _INPUTS.items():
            value.check(inputs[name], self._name)
        for name in self._outputs:
            _OUTPUTS[name].check(outputs[name], self._name)
        self._dtypes = {name: _DTYPES[inputs[name].type] for name in _INPUTS}
        self._sides = [
            side if isinstance(side, int) else None for side in inputs["image"].shape[2:]
        ]

    def __call__(
        self,
        pixels: NDArray[np.uint8],
        probability: NDArray[np.float32] | None,
        foreground: PixelPoints,
        background: PixelPoints,
    ) -> NDArray[np.bool_]:
        """See `OutlineMethod`; such a model has no use for a probability.

        Raises:
            ModelError: The model fails, or its masks are of another size than the picture.
        """
        own = pixels.shape[:2]
        height, width = (fixed or side for fixed, side in zip(self._sides, own, strict=True))
        scale = min(height / own[0], width / own[1])
        used = round(own[0] * scale), round(own[1] * scale)
        image = np.zeros((height, width, 3), np.uint8)
        image[: used[0], : used[1]] = _resized(pixels, used, Image.Resampling.BILINEAR)
        points = np.concatenate([foreground, background]) * scale
        labels = np.repeat([1, 0], [len(foreground), len(background)])
        values = {
            "image": image.transpose(2, 0, 1),
            "point_coords": points,
            "point_labels": labels,
        }
        mask = self._best_mask({k: v[None].astype(self._dtypes[k]) for k, v in values.items()})
        return _resized(mask[: used[0], : used[1]], own, Image.Resampling.NEAREST)

    def _best_mask(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        try:
            found = self._session.run(self._outputs, dict(values))
        except Exception as error:  # as in `_open`
            raise ModelError("the outline model fails", where=self._name, found=error) from error
        given = dict(zip(self._outputs, found, strict=True))
        masks, size = np.asarray(given[_MASKS]), values["image"].shape[2:]
        if masks.shape[2:] != size or not masks.size:
            raise ModelError(
                "the outline model gives masks of another size",
                where=self._name,
                found=masks.shape,
                allowed=f"(1, M, {size[0]}, {size[1]})",
            )
        best = int(np.argmax(given[_SCORES][0])) if _SCORES in given else 0
        inside: NDArray[np.bool_] = masks[0, best] > 0
        return inside


def _open(path: Path) -> Any:  # noqa: ANN401 - a session of onnxruntime
    if not path.is_file():
        raise MissingFileError("no such outline model", where=path.name, allowed="an ONNX file")
    runtime = onnx_package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: they are raised as well
    # Threads that spin while they wait would slow the window down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own come from C++ and share no base but this
        raise ModelError("no ONNX model", where=path.name, found=error) from error


def _resized(pixels: NDArray[Any], shape: tuple[int, ...], how: Image.Resampling) -> NDArray[Any]:
    """A picture or a mask of another height and width."""
    return np.asarray(Image.fromarray(pixels).resize((shape[1], shape[0]), how), pixels.dtype)
