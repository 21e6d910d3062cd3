"""A bundle's network, ready to be asked: by torch, or on a CPU by onnxruntime.

In float32 both say the same within :data:`TOLERANCE`; that is seen here before a slide is touched.
In 8-bit integers a model says something else, so only an export that was verified on held-out items
is taken, and only where it is asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from pathoai.errors import InvalidValueError, MissingDependencyError, ModelError
from pathoai.models.bundle import ModelBundle, load_network
from pathoai.models.export_onnx import onnx_bytes
from pathoai.models.onnx_model import (
    FILES,
    RECORD,
    OnnxModel,
    load_onnx_model,
    open_onnx_model,
    read_record,
)
from pathoai.models.onnx_network import OnnxNetwork
from pathoai.models.onnx_packages import has_onnx_packages
from pathoai.models.onnx_signature import signature_of
from pathoai.models.probability_network import whole_network
from pathoai.models.runtimes import AUTO, EXPORT, ONNX_INT8, RUNTIMES, TORCH

TOLERANCE = 1e-3
"""Most by which an output of onnxruntime in float32 may differ from torch's, of outputs 0 to 1: a
quarter of a step of those in which probabilities are stored."""
_BLOTCH_PX = 8


def load_runnable(
    folder: Path, bundle: ModelBundle, device: torch.device, runtime: str = AUTO
) -> nn.Module:
    """The network of a bundle, with its weights, as the runtime shall run it.

    Args:
        folder: Of the bundle; its export, where there is one, lies in ``onnx`` in it.
        bundle: As it was just read; of pixels or regions.
        device: Where it shall compute.
        runtime: One of :data:`pathoai.models.runtimes.RUNTIMES`.

    Returns:
        The network of torch, or an :class:`OnnxNetwork`. ``auto`` gives the former where the
        packages of onnxruntime are missing, or the network cannot be written as ONNX.

    Raises:
        InvalidValueError: Another runtime, or onnxruntime for another device than the CPU.
        ModelError: The weights do not fit; the export was altered; there is none of this bundle in
            8-bit integers; or onnxruntime does not say what torch says.
        MissingDependencyError: onnxruntime was asked for, and the extra ``onnx`` is not installed.
    """
    if runtime not in RUNTIMES:
        raise InvalidValueError(
            "unknown runtime", where="--runtime", found=runtime, allowed=", ".join(RUNTIMES)
        )
    network = load_network(folder, bundle, device)
    if not _is_onnx_s(runtime, device):
        return network
    if runtime == ONNX_INT8:
        return OnnxNetwork(network, _quantised(folder, bundle))
    exported = _exported(folder, bundle, "float32")
    try:
        found = OnnxNetwork(network, exported or _translated(bundle, network))
        _check_says_the_same(bundle, found)
    except (ModelError, MissingDependencyError):
        if runtime != AUTO or exported is not None:
            raise
        return network
    return found


def _is_onnx_s(runtime: str, device: torch.device) -> bool:
    """True where onnxruntime shall compute.

    Raises:
        InvalidValueError: It cannot, on this device.
    """
    on_cpu = device.type == "cpu"
    if runtime == AUTO:
        return on_cpu and has_onnx_packages()
    if runtime != TORCH and not on_cpu:
        raise InvalidValueError(
            "onnxruntime computes on the CPU only here",
            where=f"--runtime {runtime}",
            found=f"device {device}",
            allowed="cpu",
            remedy="add --device cpu, or leave --runtime out: torch computes on the device",
        )
    return runtime != TORCH


def _exported(folder: Path, bundle: ModelBundle, precision: str) -> OnnxModel | None:
    """What was exported of this bundle; None where there is nothing, or of another bundle.

    Raises:
        ModelError: The record is malformed, or the file was altered.
    """
    place = folder / EXPORT
    if not (place / RECORD).is_file():
        return None
    record = read_record(place)
    if record.get("bundle_sha256") != bundle.identity or FILES[precision] not in record["files"]:
        return None
    model = load_onnx_model(place, precision, threads=1, axes=_one_tile(bundle))
    said = (model.about.get("bundle_sha256"), model.about.get("precision"))
    if said != (bundle.identity, precision):
        raise ModelError(
            "the exported model is another than its record says",
            where=f"{bundle.name} {FILES[precision]}",
            found=f"bundle {str(said[0])[:12]}…, {said[1]}",
            allowed=f"bundle {bundle.identity[:12]}…, {precision}",
            remedy=_export_anew(bundle),
        )
    return model


def _quantised(folder: Path, bundle: ModelBundle) -> OnnxModel:
    model = _exported(folder, bundle, "int8")
    if model is None:
        another = (folder / EXPORT).exists()
        raise ModelError(
            "there is no export of this model in 8-bit integers",
            where=bundle.name,
            found="an export of another model, or in float32 only" if another else "no export",
            allowed="one that was verified on held-out items",
            remedy=_export_anew(bundle) if another else _export(bundle),
        )
    return model


def _translated(bundle: ModelBundle, network: nn.Module) -> OnnxModel:
    """Made here and now, in memory; the bundle's folder stays as it is."""
    data = onnx_bytes(bundle, network, one_tile=True)
    return open_onnx_model(data, threads=1, axes=_one_tile(bundle))


def _one_tile(bundle: ModelBundle) -> dict[str, int]:
    side_px = bundle.spec.size_px
    return {"batch": 1, "height": side_px, "width": side_px}


def _check_says_the_same(bundle: ModelBundle, network: OnnxNetwork) -> None:
    """Ask both about tiles without tissue, with blotches of the size of nuclei, and of noise.

    Raises:
        ModelError: They differ by more than the tolerance.
    """
    batch = _tiles(bundle)
    with torch.inference_mode():
        pairs = zip(
            whole_network(bundle, network.network)(batch), network.whole(batch), strict=True
        )
        difference = float(torch.stack([(one - other).abs().max() for one, other in pairs]).max())
    if not difference <= TOLERANCE:  # negated, so that NaN is refused too
        raise ModelError(
            "onnxruntime does not say what torch says",
            where=bundle.name,
            found=f"a difference of {difference:.3g}",
            allowed=f"{TOLERANCE:g}",
            remedy="predict with --runtime torch",
        )


def _tiles(bundle: ModelBundle) -> torch.Tensor:
    """Three batches of one: white, blotched, noisy; uint8."""
    (images,) = signature_of(bundle).inputs
    side_px, generator = bundle.spec.size_px, np.random.default_rng(0)
    shape = [axis if isinstance(axis, int) else side_px for axis in images.axes[1:]]
    cells = -(-side_px // _BLOTCH_PX)
    blotches = generator.integers(0, 256, (*shape[:-2], cells, cells), np.uint8)
    for axis in (-2, -1):
        blotches = blotches.repeat(_BLOTCH_PX, axis)
    noise = generator.integers(0, 256, shape, np.uint8)
    white = np.full(shape, 255, np.uint8)
    return torch.from_numpy(np.stack([white, blotches[..., :side_px, :side_px], noise]))


def _export(bundle: ModelBundle) -> str:
    return f"make one with `pathoai model export STUDY --model {bundle.name} --to onnx --int8`"


def _export_anew(bundle: ModelBundle) -> str:
    return f"remove the folder {EXPORT} of the model, then {_export(bundle)}"
