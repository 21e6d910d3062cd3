"""Exporting a bundle of a study to ONNX, verified on items that it was not trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pathoai.atomic_file import write_text_atomically
from pathoai.models.bundle import ModelBundle, load_bundle, write_card
from pathoai.models.card_notes import NOTES
from pathoai.models.export_onnx import OPSET, export_onnx
from pathoai.models.onnx_model import FILES, RECORD, open_onnx_model
from pathoai.models.onnx_signature import Signature, signature_of
from pathoai.models.probability_network import whole_network
from pathoai.models.quantise_onnx import METHOD, quantise_onnx
from pathoai.models.runtimes import EXPORT
from pathoai.progress import Advance, silent
from pathoai.provenance import ProvenanceRecord, sha256_of_file, software_versions, utc_now
from pathoai.store.new_target import new_target
from pathoai.study.study import Study
from pathoai_training.export.agreement import LIMITS, Agreement, AgreementTally
from pathoai_training.export.held_out import Items, items_of
from pathoai_training.trained_workshop import trained_workshop

_CALIBRATION_ITEMS = 64
"""Ranges of activations hardly move with more."""
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class _Work:
    """A bundle, its network, that with all that goes into the graph, and what to see it on."""

    bundle: ModelBundle
    signature: Signature
    network: nn.Module
    whole: nn.Module
    training: Items
    held_out: Items
    seed: int
    advance: Advance


def export_model(
    study: Study, name: str, target: Path, *, int8: bool = False, advance: Advance = silent
) -> dict[str, Any]:
    """Write a model as ONNX, with its card and a record of how it was verified.

    Each file is run on held-out items (validation) and compared with torch; one outside its limits
    is refused, and nothing is left. Calibration of 8-bit ranges sees training items only.

    Args:
        study: In which it was trained.
        name: Of the model.
        target: Folder to make; in the model's own only ``onnx``, where ``pathoai predict`` looks.
        int8: Also in 8-bit integers.
        advance: Told of items compared, and of those in all.

    Returns:
        What ``export.json`` says.

    Raises:
        ModelError: No such model, one of another task, or one whose export is not what torch says.
        LeakError: The study has changed, so that its split is another.
        InvalidValueError: Something lies at the target.
        MissingDependencyError: The extra ``onnx`` is not installed.
    """
    started, folder = utc_now(), study.model_path(name)
    bundle = load_bundle(folder)
    signature = signature_of(bundle)
    with new_target(target, outside=None if target == folder / EXPORT else folder) as partial:
        work = _work(study, bundle, signature, advance)
        partial.mkdir()
        files = {FILES["float32"]: _exported(work, partial / FILES["float32"])}
        if int8:
            files[FILES["int8"]] = _quantised(work, partial)
        record = _record(bundle, signature, files)
        _write_card(folder, partial, bundle)
        text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
        write_text_atomically(partial / RECORD, text + "\n")
    ProvenanceRecord(
        command="model export",
        parameters={"to": "onnx", "int8": int8},
        inputs={f"model/{name}": bundle.identity},
        outputs={f"export/{name}/{file}": about["sha256"] for file, about in files.items()},
        started=started,
        ended=utc_now(),
    ).write(study.provenance_path)
    return record


def _work(study: Study, bundle: ModelBundle, signature: Signature, advance: Advance) -> _Work:
    workshop = trained_workshop(study, bundle, torch.device("cpu"))
    data, network = workshop.data, workshop.model.network
    training, held_out = (
        items_of(data, subset, where=bundle.name) for subset in ("train", "validation")
    )
    whole = whole_network(bundle, network).eval()
    return _Work(bundle, signature, network, whole, training, held_out, data.seed, advance)


def _exported(work: _Work, path: Path) -> dict[str, Any]:
    export_onnx(work.bundle, work.network, path)
    return _about(path, "float32", _verified(work, path, "float32"))


def _quantised(work: _Work, folder: Path) -> dict[str, Any]:
    path = folder / FILES["int8"]
    names, training = [one.name for one in work.signature.inputs], work.training
    chosen = training.drawn(_CALIBRATION_ITEMS, work.seed)
    samples = [
        {name: part.numpy() for name, part in zip(names, inputs, strict=True)}
        for inputs, _ in training.batches(chosen)
    ]
    quantise_onnx(folder / FILES["float32"], path, samples)
    about = _about(path, "int8", _verified(work, path, "int8"))
    seen = {"method": METHOD, f"training_{training.unit}": len(chosen)}
    return about | {"quantisation": seen}


def _about(path: Path, precision: str, agreement: Agreement) -> dict[str, Any]:
    return {
        "precision": precision,
        "sha256": sha256_of_file(path),
        "bytes": path.stat().st_size,
        "verified_on_validation": agreement.to_dict(),
    }


def _verified(work: _Work, path: Path, precision: str) -> Agreement:
    """Compare a file with torch.

    Raises:
        ModelError: It lies outside its limits.
    """
    model, held_out = open_onnx_model(path), work.held_out
    tally = AgreementTally(len(work.bundle.classes), mpp=work.bundle.spec.mpp, unit=held_out.unit)
    chosen = held_out.drawn(held_out.most, work.seed)
    done = 0
    for inputs, truth in held_out.batches(chosen):
        with torch.inference_mode():
            ours = tuple(output.numpy() for output in work.whole(*inputs))
        tally.add(ours, model.run(*(part.numpy() for part in inputs)), truth)
        done += len(inputs[0])
        work.advance(done, len(chosen))
    agreement = tally.agreement()
    agreement.check(LIMITS[precision], f"{work.bundle.name} {precision}")
    return agreement


def _record(bundle: ModelBundle, signature: Signature, files: dict[str, Any]) -> dict[str, Any]:
    split = bundle.training["split"]
    return {
        "schema": 1,
        "model": bundle.name,
        "task": bundle.task,
        "bundle_sha256": bundle.identity,
        "weights_sha256": bundle.weights_sha256,
        "split": {key: split[key] for key in ("kind", "sha256")},
        "licence": bundle.licence,
        "intended_use": bundle.intended_use,
        "opset": OPSET,
        "input": signature.input_text,
        "outputs": signature.outputs,
        "classes": bundle.classes,
        "mpp": bundle.spec.mpp,
        "size_px": bundle.spec.size_px,
        "files": files,
        "software": software_versions() | {name: metadata.version(name) for name in _PACKAGES},
    }


def _write_card(folder: Path, target: Path, bundle: ModelBundle) -> None:
    """The card, with what a person has said up to now."""
    if (folder / NOTES).is_file():
        (target / NOTES).write_bytes((folder / NOTES).read_bytes())
    write_card(target, bundle)
