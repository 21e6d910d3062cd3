"""A model as one ONNX file, for programs that know neither torch nor pathoai.

ONNX: Open Neural Network Exchange, https://onnx.ai/onnx/. Normalisation and calibration lie inside
the graph: bytes go in, calibrated probabilities come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pathoai import __version__
from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import ModelError
from pathoai.models.bundle import INSTANCE_SEGMENTATION, SEMANTIC_SEGMENTATION, ModelBundle
from pathoai.models.onnx_model import INPUT, OUTPUTS
from pathoai.models.onnx_packages import onnx_package
from pathoai.models.probability_network import ProbabilityNetwork

OPSET = 18
"""Of the standard: what torch writes without converting, and runtimes read since 2023."""
TASKS = (SEMANTIC_SEGMENTATION, INSTANCE_SEGMENTATION)
_LARGEST_BYTES = 2_000_000_000
"""A protobuf, of which an ONNX file is one, ends at 2 GiB."""
_AXES = {0: "batch", 2: "height", 3: "width"}


def check_exportable(bundle: ModelBundle) -> None:
    """Refuse what does not map one image to a class of each pixel.

    Raises:
        ModelError: Another task.
    """
    if bundle.task not in TASKS:
        raise ModelError(
            "only models that take single images can be exported to ONNX",
            where=bundle.name,
            found=bundle.task,
            allowed=" or ".join(TASKS),
            remedy="use the bundle itself: safetensors and torch",
        )


def export_onnx(bundle: ModelBundle, network: nn.Module, path: Path) -> None:
    """Write a bundle as ONNX: ``images`` ``(N, 3, H, W)`` uint8 to ``probabilities`` and ``maps``.

    Height and width are free where the architecture allows it; else they are the tile's.

    Args:
        bundle: Whose identity the file bears.
        network: Its network, as ``load_network`` gives it, on the CPU.
        path: Of the file; written whole or not at all.

    Raises:
        ModelError: Another task, too large, or a network that cannot be written so.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """
    check_exportable(bundle)
    size_bytes = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    if size_bytes > _LARGEST_BYTES:
        raise ModelError(
            "the network is too large for one ONNX file",
            where=bundle.name,
            found=f"{size_bytes / 1e9:.1f} GB",
            allowed=f"{_LARGEST_BYTES / 1e9:g} GB",
        )
    onnx = onnx_package("onnx")
    model = _translated(bundle, network)
    _forget_origins(model)
    onnx.helper.set_model_props(model, description(bundle))
    onnx.checker.check_model(model, full_check=True)
    write_bytes_atomically(path, model.SerializeToString(deterministic=True))


def description(bundle: ModelBundle) -> dict[str, str]:
    """What the file says of itself: key → text, or JSON where it is no text."""
    said: dict[str, Any] = {
        "name": bundle.name,
        "task": bundle.task,
        "bundle_sha256": bundle.identity,
        "classes": bundle.classes,
        "ontology": f"{bundle.ontology} {bundle.ontology_version}",
        "mpp": bundle.spec.mpp,
        "size_px": bundle.spec.size_px,
        "decision": bundle.decision,
        "licence": bundle.licence,
        "intended_use": bundle.intended_use,
        "input": "RGB, uint8, (batch, 3, height, width); normalisation lies in the graph",
        "output": "calibrated probabilities of the classes, in their order; then, where objects "
        "are told apart, maps of the distance from the rim",
        "precision": "float32",
        "pathoai": __version__,
    }
    return {k: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for k, v in said.items()}


def _translated(bundle: ModelBundle, network: nn.Module) -> Any:  # noqa: ANN401 - onnx.ModelProto
    """The graph, its height and width free if they can be."""
    onnx_package("onnxscript")  # torch translates with it, and fails late and at length without
    whole = ProbabilityNetwork(bundle, network).eval()
    size = bundle.spec.size_px
    # Two images: torch takes an axis of length one for a constant.
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    outputs = OUTPUTS[: 1 if bundle.outputs == len(bundle.classes) else 2]
    axes, error = _AXES, None
    for free in (_AXES, {0: _AXES[0]}):
        axes = free
        try:
            program = torch.onnx.export(
                whole,
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=(axes,),
            )
        except torch.onnx.OnnxExporterError as found:
            error = found
        else:
            assert program is not None  # only where a path is given
            return program.model_proto
    raise ModelError(
        "the network cannot be written as ONNX",
        where=f"{bundle.name} {bundle.architecture}",
        found=str(error).splitlines()[0],
        remedy="use the bundle itself: safetensors and torch",
    ) from error


def _forget_origins(message: Any) -> None:  # noqa: ANN401 - any protobuf message
    """Take out what torch notes at each node: its line of code, with the path of this machine."""
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "__len__") else (value,):
                _forget_origins(part)
