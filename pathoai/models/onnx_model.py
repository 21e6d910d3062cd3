"""An exported model, run by onnxruntime alone: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.onnx_packages import onnx_package
from pathoai.provenance import sha256_of_file

RECORD = "export.json"
FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}
"""Precision → name of the file beside the record."""
_DTYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(bool)": np.bool_}
_BLANK_TILES = 16
Axes = Mapping[str, int]
"""Free axis of the inputs, e.g. ``batch`` → the one length that it will have."""


@dataclass(frozen=True)
class OnnxModel:
    """A model ready to run.

    Args:
        about: What the file says of itself: ``name``, ``classes`` (JSON), ``mpp``, ``precision`` …
        session: Of onnxruntime.
        sha256: Of the file.
    """

    about: dict[str, str]
    session: Any
    sha256: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The class of each channel of the probabilities."""
        return tuple(json.loads(self.about["classes"]))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it takes, in order."""
        return tuple(found.name for found in self.session.get_inputs())

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """What the model says, float32, 0 to 1: first calibrated probabilities.

        Args:
            inputs: Of pixels, images ``(N, 3, H, W)`` uint8; of regions, views ``(N, V, 3, S, S)``
                uint8; of slides, features ``(B, N, F)`` float32 and a mask ``(B, N)`` bool.

        Returns:
            Of pixels, probabilities ``(N, C, H, W)`` and, where it tells objects apart, its maps
            ``(N, 2, H, W)``; of regions, ``(N, C)``; of slides, ``(B, C)`` and the weight of each
            tile, ``(B, N)``.
        """
        return tuple(self.session.run(None, dict(zip(self.inputs, inputs, strict=True))))

    def blank_inputs(self) -> tuple[NDArray[Any], ...]:
        """One white image or region, or one slide of zeros: enough to see that the model runs."""
        side = int(self.about["size_px"])
        free = {"batch": 1, "tiles": _BLANK_TILES, "height": side, "width": side}
        return tuple(
            np.full([free.get(n, n) for n in found.shape], _white(dtype), dtype)
            for found in self.session.get_inputs()
            for dtype in (_DTYPES[found.type],)
        )


def _white(dtype: type[np.generic]) -> int:
    return {np.uint8: 255, np.float32: 0, np.bool_: 1}[dtype]


def open_onnx_model(
    source: Path | bytes, *, threads: int | None = None, axes: Axes | None = None
) -> OnnxModel:
    """What was just written or made; what comes from elsewhere is for :func:`load_onnx_model`.

    It may be asked by several threads at once.

    Args:
        source: The file, or its bytes.
        threads: That compute; all cores where None.
        axes: Lengths that are known: what follows from them is computed once, here.

    Raises:
        ModelError: onnxruntime cannot read it, or it says nothing of itself.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """
    runtime = onnx_package("onnxruntime")
    where = "ONNX" if isinstance(source, bytes) else source.name
    data = source if isinstance(source, bytes) else source.read_bytes()
    options = _options(runtime, threads, axes or {})
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own come from C++ and share no base but this
        raise ModelError("no ONNX model", where=where, found=str(error)) from error
    about = dict(session.get_modelmeta().custom_metadata_map)
    if "classes" not in about:
        raise ModelError("the ONNX model was not exported by pathoai", where=where)
    return OnnxModel(about, session, hashlib.sha256(data).hexdigest())


def _options(runtime: Any, threads: int | None, axes: Axes) -> Any:  # noqa: ANN401 - of onnxruntime
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: they are raised as well
    # Threads that spin while they wait slow down everything else on a shared machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # One block for all that a run needs is larger than what is needed at any moment, twice here.
    options.enable_mem_pattern = False
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    for axis, length in axes.items():
        options.add_free_dimension_override_by_name(axis, length)
    return options


def load_onnx_model(
    folder: Path,
    precision: str = "float32",
    *,
    threads: int | None = None,
    axes: Axes | None = None,
) -> OnnxModel:
    """An exported model that is what its record says.

    Args:
        folder: That ``pathoai model export`` made.
        precision: ``float32`` or ``int8``.
        threads: That compute; all cores where None.
        axes: Lengths that are known, as for :func:`open_onnx_model`.

    Raises:
        InvalidValueError: Another precision.
        ModelError: There is no record, no such file, or the file was altered.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """
    if precision not in FILES:
        raise InvalidValueError("precision", found=precision, allowed=", ".join(FILES))
    name = FILES[precision]
    known = read_record(folder)["files"].get(name)
    path = folder / name
    if known is None or not path.is_file() or sha256_of_file(path) != known["sha256"]:
        raise ModelError(
            "the exported model is missing or was altered",
            where=f"{folder.name}/{name}",
            remedy="remove the folder and export it again with `pathoai model export`",
        )
    return open_onnx_model(path, threads=threads, axes=axes)


def read_record(folder: Path) -> dict[str, Any]:
    """What an export says of its files: hashes, and how they were verified.

    Raises:
        ModelError: There is no record, or it is malformed.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf8"))
        if not all(isinstance(file["sha256"], str) for file in record["files"].values()):
            raise ValueError("a hash is missing")
    except FileNotFoundError as error:
        raise ModelError(
            "no exported model",
            where=folder.name,
            found=f"no {RECORD}",
            remedy="make one with `pathoai model export`",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            "malformed record", where=f"{folder.name}/{RECORD}", found=error
        ) from error
    return record
