"""Whole slides by onnxruntime: what torch says, within a step of what is stored."""

from __future__ import annotations

import json
import re
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.inference.ensemble import Ensemble, Member
from pathoai.inference.predict_regions import RegionPredictor
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.inference.tissue_regions import tissue_regions
from pathoai.models.architecture import build_network
from pathoai.models.bundle import (
    REGION_CLASSIFICATION,
    ModelBundle,
    load_bundle,
    load_network,
    save_bundle,
)
from pathoai.models.export_onnx import export_onnx
from pathoai.models.load_runnable import TOLERANCE, load_runnable
from pathoai.models.onnx_network import OnnxNetwork
from pathoai.models.quantise_onnx import quantise_onnx
from pathoai.models.region_decision import RegionDecision
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.provenance import sha256_of_file
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec

CPU = torch.device("cpu")
OTHER_CLASS = 1e-3
"""Most pixels, of those that were seen, whose class may be another: where two are alike."""


@pytest.fixture
def store(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    path = tmp_path / "a" / two_shard_store.name
    return SlideStore(Path(shutil.copytree(two_shard_store, path)))


Members = dict[str, tuple[Member, Member]]


@pytest.fixture(scope="module")
def members(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Members:
    """By runtime: the model, and another that is half as sure."""
    folder, network = tmp_path_factory.mktemp("bundles"), deepcopy(predictor.network)
    save_bundle(folder / "tiny", predictor.bundle, network)
    head = network.get_submodule("head")
    assert isinstance(head, torch.nn.Conv2d)
    with torch.no_grad():
        head.weight.mul_(0.5)
    save_bundle(folder / "other", replace(predictor.bundle, name="other"), network)
    return {
        runtime: (member(folder / "tiny", runtime), member(folder / "other", runtime))
        for runtime in ("torch", "onnx")
    }


def member(folder: Path, runtime: str) -> Member:
    bundle = load_bundle(folder)
    return Member(bundle, load_runnable(folder, bundle, CPU, runtime))


def asking(predictor: Predictor, first: Member, *others: Member) -> Predictor:
    """The predictor with these members; if they are several, in all symmetries."""
    return replace(
        predictor,
        bundle=first.bundle,
        network=first.network,
        others=others,
        turned=bool(others),
    )


def planes(label: LabelImage) -> dict[str, NDArray[np.int16]]:
    """What is stored, wide enough to be subtracted."""
    found = {
        "class_map": label.read_all(),
        "probability": np.asarray(label.probability()),
        "uncertainty": np.asarray(label.uncertainty()),
    }
    return {name: plane.astype(np.int16) for name, plane in found.items()}


@pytest.mark.parametrize("count", [1, 2])
def test_a_slide_says_the_same_within_a_step_of_255(
    store: SlideStore, predictor: Predictor, members: Members, count: int
) -> None:
    by_torch, by_onnx = (asking(predictor, *members[name][:count]) for name in ("torch", "onnx"))
    assert by_torch.ensemble.runtime["runtime"] == f"torch {torch.__version__}"
    assert by_onnx.ensemble.runtime["runtime"].startswith("onnxruntime ")
    expected = planes(predict_slide(store, by_torch))
    # To whoever asks which model speaks, both are one: nothing is predicted again.
    assert by_onnx.about(store) == by_torch.about(store)
    shutil.rmtree(store.path / "labels" / "prediction.tiny")
    found = planes(predict_slide(store, by_onnx))
    for name in ("probability", "uncertainty"):
        assert np.abs(found[name] - expected[name]).max() <= 1
    seen = expected["class_map"] != NOT_ASSESSED
    np.testing.assert_array_equal(found["class_map"] != NOT_ASSESSED, seen)
    assert len(np.unique(expected["class_map"][seen])) > 1
    assert (found["class_map"] != expected["class_map"])[seen].mean() <= OTHER_CLASS


def test_members_that_differ_are_all_named(members: Members) -> None:
    ensemble = Ensemble((members["torch"][0], members["onnx"][1]))
    assert re.fullmatch(r"onnxruntime \S+ and torch \S+", ensemble.runtime["runtime"])
    assert ensemble.runtime["precision"] == "float32"


def test_batches_leave_no_trace(store: SlideStore, predictor: Predictor, members: Members) -> None:
    found = []
    for batch_size in (1, 4):
        whole = replace(asking(predictor, members["onnx"][0]), batch_size=batch_size)
        found.append(predict_slide(store, whole).shards)
        shutil.rmtree(store.path / "labels" / "prediction.tiny")
    assert found[0] == found[1]


def exported_int8(folder: Path, store: SlideStore) -> None:
    """As ``pathoai model export --int8`` leaves it beside the bundle, but for what it verifies."""
    bundle = load_bundle(folder)
    (folder / "onnx").mkdir()
    source, target = (folder / "onnx" / name for name in ("model.onnx", "model.int8.onnx"))
    export_onnx(bundle, load_network(folder, bundle, CPU), source)
    tissue = np.array([(x, 18) for x in range(1100, 2000, 50)])
    tiles = grid_tiles(store, store.header.grid, tissue, bundle.spec.size_px)
    quantise_onnx(source, target, [{"images": tiles.transpose(0, 3, 1, 2)}])
    files = {f.name: {"sha256": sha256_of_file(f)} for f in (source, target)}
    record = json.dumps({"bundle_sha256": bundle.identity, "files": files})
    (folder / "onnx" / "export.json").write_text(record)


def test_eight_bits_are_another_model(
    store: SlideStore, predictor: Predictor, members: Members, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    save_bundle(folder, predictor.bundle, predictor.network)
    exported_int8(folder, store)
    by_torch = asking(predictor, members["torch"][0])
    by_int8 = asking(predictor, member(folder, "onnx-int8"))
    assert by_int8.ensemble.runtime["precision"] == "int8"
    sha256 = sha256_of_file(folder / "onnx" / "model.int8.onnx")
    assert by_int8.about(store) == by_torch.about(store) | {"int8": {"tiny": sha256}}
    expected = planes(predict_slide(store, by_torch))
    # Another model's prediction is made again, in its place.
    label = predict_slide(store, by_int8)
    assert label.about["int8"] == {"tiny": sha256}
    found = planes(label)
    difference = np.abs(found["probability"] - expected["probability"])
    assert 0 < difference.mean() < 255 * 0.02
    seen = expected["class_map"] != NOT_ASSESSED
    # Random weights hold less than trained ones, of which an export verifies 0.99.
    assert (found["class_map"] == expected["class_map"])[seen].mean() > 0.9
    assert "int8" not in predict_slide(store, by_torch).about


def test_regions_are_named_alike_and_eight_bits_are_told(store: SlideStore, tmp_path: Path) -> None:
    arguments = {"arguments": {"width": 4}, "context": [2]}
    made = build_network("region-classifier", classes=2, arguments=arguments)
    bundle = ModelBundle(
        "cells",
        "region-classifier",
        arguments,
        "breast",
        load_ontology("breast").version,
        ("nucleus_lymphocyte", "nucleus_stromal"),
        TileSpec(24, 0.5),
        task=REGION_CLASSIFICATION,
        decision=RegionDecision(2).to_dict(),
    )
    bundle = save_bundle(tmp_path / "cells", bundle, made)
    by_torch, by_onnx = (
        RegionPredictor(
            bundle,
            load_runnable(tmp_path / "cells", bundle, CPU, runtime),
            load_ontology("breast"),
            CPU,
            batch_size=4,
        )
        for runtime in ("torch", "onnx")
    )
    views = by_onnx.views(store).read(np.array([(x, 20) for x in range(1100, 1400, 50)]))
    found = by_onnx.answers(views)
    np.testing.assert_allclose(found, by_torch.answers(views), atol=TOLERANCE)
    np.testing.assert_array_equal(replace(by_onnx, batch_size=1).answers(views), found)
    study = Study.create(tmp_path / "study", ontology="breast")
    squares = tissue_regions(study.place(store.slide_id), store, bundle)
    assert by_onnx.about(store, squares) == by_torch.about(store, squares)
    assert by_onnx.runtime["runtime"] != by_torch.runtime["runtime"]
    network = by_onnx.network
    assert isinstance(network, OnnxNetwork)
    eight = replace(network.model, about=network.model.about | {"precision": "int8"})
    by_int8 = replace(by_onnx, network=OnnxNetwork(network.network, eight))
    assert by_int8.about(store, squares)["int8"] == {"cells": eight.sha256}
