"""Exporting a bundle of a study to ONNX, verified on tiles that it was not trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import ModelError
from pathoai.models.bundle import ModelBundle, load_bundle, write_card
from pathoai.models.card_notes import NOTES
from pathoai.models.export_onnx import OPSET, check_exportable, export_onnx
from pathoai.models.onnx_model import FILES, INPUT, OUTPUTS, RECORD, open_onnx_model
from pathoai.models.probability_network import ProbabilityNetwork
from pathoai.models.quantise_onnx import METHOD, quantise_onnx
from pathoai.progress import Advance, silent
from pathoai.provenance import ProvenanceRecord, sha256_of_file, software_versions, utc_now
from pathoai.store.new_target import new_target
from pathoai.study.study import Study
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.tiles_dataset import TilesDataset
from pathoai_training.export.agreement import LIMITS, Agreement, AgreementTally
from pathoai_training.trained_workshop import trained_workshop

_VERIFIED_TILES = 128
_CALIBRATION_TILES = 64
"""Ranges of activations hardly move with more."""
_BATCH = 8
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class _Work:
    """A bundle, its network with all that goes into the graph, and the tiles to see it on."""

    bundle: ModelBundle
    whole: ProbabilityNetwork
    training: TilesDataset
    held_out: TilesDataset
    seed: int
    advance: Advance


def export_model(
    study: Study, name: str, target: Path, *, int8: bool = False, advance: Advance = silent
) -> dict[str, Any]:
    """Write a model as ONNX, with its card and a record of how it was verified.

    Each file is run on held-out tiles (validation) and compared with torch; one outside its limits
    is refused, and nothing is left. Calibration of 8-bit ranges sees training tiles only.

    Args:
        study: In which it was trained.
        name: Of the model.
        target: Folder to make.
        int8: Also in 8-bit integers.
        advance: Told of tiles compared, and of those in all.

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
    check_exportable(bundle)
    with new_target(target, outside=folder) as partial:
        work = _work(study, bundle, advance)
        partial.mkdir()
        files = {FILES["float32"]: _exported(work, partial / FILES["float32"])}
        if int8:
            files[FILES["int8"]] = _quantised(work, partial)
        record = _record(bundle, files)
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


def _work(study: Study, bundle: ModelBundle, advance: Advance) -> _Work:
    workshop = trained_workshop(study, bundle, torch.device("cpu"))
    data = workshop.data
    if not isinstance(data, StoreDataModule):
        raise ModelError(
            "an export is verified on tiles, and the model learnt from something else",
            where=bundle.name,
            found=type(data).__name__,
        )
    whole = ProbabilityNetwork(bundle, workshop.model.network).eval()
    return _Work(
        bundle, whole, data.dataset("train"), data.dataset("validation"), data.seed, advance
    )


def _exported(work: _Work, path: Path) -> dict[str, Any]:
    export_onnx(work.bundle, work.whole.network, path)
    return _about(path, "float32", _verified(work, path, "float32"))


def _quantised(work: _Work, folder: Path) -> dict[str, Any]:
    path = folder / FILES["int8"]
    chosen = _sample(len(work.training), _CALIBRATION_TILES, work.seed)
    tiles = np.stack([item[0].numpy() for item in work.training.__getitems__(chosen)])
    quantise_onnx(folder / FILES["float32"], path, tiles)
    about = _about(path, "int8", _verified(work, path, "int8"))
    return about | {"quantisation": {"method": METHOD, "training_tiles": len(tiles)}}


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
    model = open_onnx_model(path)
    tally = AgreementTally(len(work.bundle.classes), mpp=work.bundle.spec.mpp)
    chosen = _sample(len(work.held_out), _VERIFIED_TILES, work.seed)
    done = 0
    for images, *truth in _batches(work.held_out, chosen):
        with torch.inference_mode():
            ours = tuple(output.numpy() for output in work.whole(images))
        tally.add(ours, model.run(images.numpy()), truth)
        done += len(images)
        work.advance(done, len(chosen))
    agreement = tally.agreement()
    agreement.check(LIMITS[precision], f"{work.bundle.name} {precision}")
    return agreement


def _sample(count: int, most: int, seed: int) -> list[int]:
    """Positions of tiles, in order: all, or a draw that follows from the seed."""
    drawn = np.random.default_rng(seed).permutation(count)[:most]
    return sorted(drawn.tolist())


def _batches(dataset: TilesDataset, chosen: list[int]) -> Iterator[tuple[torch.Tensor, ...]]:
    for start in range(0, len(chosen), _BATCH):
        items = dataset.__getitems__(chosen[start : start + _BATCH])
        yield tuple(torch.stack(parts) for parts in zip(*items, strict=True))


def _record(bundle: ModelBundle, files: dict[str, Any]) -> dict[str, Any]:
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
        "input": {INPUT: "(batch, 3, height, width) uint8 RGB at mpp"},
        "outputs": OUTPUTS[: 1 if bundle.outputs == len(bundle.classes) else 2],
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
