"""A model as one ONNX file, for programs that know neither torch nor pathoai.

ONNX: Open Neural Network Exchange, https://onnx.ai/onnx/. Normalisation and calibration lie inside
the graph: bytes go in, calibrated probabilities come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import nn

from pathoai import __version__
from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import ModelError
from pathoai.models.bundle import ModelBundle
from pathoai.models.onnx_packages import onnx_package
from pathoai.models.onnx_signature import Input, Signature, signature_of
from pathoai.models.probability_network import whole_network

OPSET = 18
"""Of the standard: what torch writes without converting, and runtimes read since 2023."""
_LARGEST_BYTES = 2_000_000_000
"""A protobuf, of which an ONNX file is one, ends at 2 GiB."""
_ENCODER = ("key", "weights_sha256")
"""What tells the encoder whose features a model of slides takes."""
_SIDES = frozenset({"height", "width"})
_ONE_AT_A_TIME = Lock()
"""Torch keeps what it is translating in the process, not in the thread."""


def export_onnx(bundle: ModelBundle, network: nn.Module, path: Path) -> None:
    """Write a bundle as ONNX, with the inputs and outputs of its task's :class:`Signature`.

    Batches and bags may have any length. Height and width of images are free where the architecture
    allows it; else they are the tile's.

    Args:
        bundle: Whose identity the file bears.
        network: Its network, as ``load_network`` gives it, on the CPU.
        path: Of the file; written whole or not at all.

    Raises:
        ModelError: Another task, too large, or a network that cannot be written so.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """
    write_bytes_atomically(path, onnx_bytes(bundle, network))


def onnx_bytes(bundle: ModelBundle, network: nn.Module, *, one_tile: bool = False) -> bytes:
    """The same in memory; arguments and errors as of :func:`export_onnx`.

    Args:
        bundle: Likewise.
        network: Likewise.
        one_tile: For one tile or region at a time, of the bundle's size, which is translated in
            seconds; free axes take minutes where a network has many layers.
    """
    signature = signature_of(bundle)
    size_bytes = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    if size_bytes > _LARGEST_BYTES:
        raise ModelError(
            "the network is too large for one ONNX file",
            where=bundle.name,
            found=f"{size_bytes / 1e9:.1f} GB",
            allowed=f"{_LARGEST_BYTES / 1e9:g} GB",
        )
    onnx = onnx_package("onnx")
    free = {axis for one in signature.inputs for axis in one.free_axes.values()}
    with _ONE_AT_A_TIME:
        model = _translated(bundle, network, signature, set() if one_tile else free)
    _forget_origins(model)
    onnx.helper.set_model_props(model, description(bundle, signature))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def description(bundle: ModelBundle, signature: Signature) -> dict[str, str]:
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
        "context": list(bundle.context),
        "encoder": {key: bundle.encoder[key] for key in _ENCODER if key in bundle.encoder},
        "input": signature.input_text,
        "output": signature.output_text,
        "precision": "float32",
        "pathoai": __version__,
    }
    return {k: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for k, v in said.items()}


def _translated(
    bundle: ModelBundle, network: nn.Module, signature: Signature, free: set[str]
) -> Any:  # noqa: ANN401 - onnx.ModelProto
    """The graph, its height and width free if they shall and can be."""
    onnx_package("onnxscript")  # torch translates with it, and fails late and at length without
    whole, error = whole_network(bundle, network).eval(), None
    examples = tuple(_example(one, bundle.spec.size_px, free) for one in signature.inputs)
    for wanted in (free, free - _SIDES) if free & _SIDES else (free,):
        try:
            program = torch.onnx.export(
                whole,
                examples,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[one.name for one in signature.inputs],
                output_names=list(signature.outputs),
                dynamic_shapes=_dynamic_shapes(signature, wanted) if wanted else None,
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


def _dynamic_shapes(signature: Signature, wanted: set[str]) -> tuple[dict[int, Any], ...]:
    """The free axes of each input: a name where it comes first, which the others then share."""
    named: set[str] = set()
    shapes = []
    for one in signature.inputs:
        free = {at: axis for at, axis in one.free_axes.items() if axis in wanted}
        shapes.append({at: torch.export.Dim.DYNAMIC if a in named else a for at, a in free.items()})
        named |= set(free.values())
    return tuple(shapes)


def _example(one: Input, side_px: int, free: set[str]) -> torch.Tensor:
    """Ones of an input's shape; no free axis has length one, which torch takes for a constant."""
    lengths = {
        "batch": 2 if "batch" in free else 1,
        "tiles": 3,
        "height": side_px,
        "width": side_px,
    }
    shape = [axis if isinstance(axis, int) else lengths[axis] for axis in one.axes]
    return torch.ones(shape, dtype=getattr(torch, one.dtype))


def _forget_origins(message: Any) -> None:  # noqa: ANN401 - any protobuf message
    """Take out what torch notes at each node: its line of code, with the path of this machine."""
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "__len__") else (value,):
                _forget_origins(part)
