from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pathoai.errors import ModelError
from pathoai.models.architecture import build_network
from pathoai.models.bundle import (
    ModelBundle,
    Normalisation,
    load_bundle,
    load_network,
    save_bundle,
)
from pathoai.models.calibration import Calibration, Reliability
from pathoai.ontology import load_ontology
from pathoai.tiling.spec import TileSpec

CPU = torch.device("cpu")
ARGUMENTS = {"width": 4, "depth": 1}
BUNDLE = ModelBundle(
    name="nuclei",
    architecture="unet",
    arguments=ARGUMENTS,
    ontology="breast",
    ontology_version="0.1",
    classes=("background", "nucleus"),
    spec=TileSpec(64, 0.5, 16, 0.1),
    calibration=Calibration(1.5, Reliability((0.6, 0.9), (0.5, 0.95), (10, 90))),
    training={"seed": 3, "metrics": {"dice": {"nucleus": None}}},
    licence="Apache-2.0",
    intended_use="Research only.",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved bundle."""
    torch.manual_seed(0)
    network = build_network("unet", classes=2, arguments=ARGUMENTS)
    # Running means differ from new ones, so that buffers are seen to travel too.
    network(torch.randn(2, 3, 16, 16))
    save_bundle(tmp_path / "nuclei", BUNDLE, network)
    return tmp_path / "nuclei"


def test_a_bundle_survives_its_folder(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert replace(bundle, weights_sha256="") == BUNDLE
    assert len(bundle.weights_sha256) == 64
    assert bundle.identity == load_bundle(folder).identity
    assert bundle.identity != replace(bundle, name="other").identity


def test_a_network_predicts_the_same_after_its_travel(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    network = load_network(folder, bundle, CPU)
    saved = save_bundle(tmp_path / "copy", bundle, network)
    again = load_network(tmp_path / "copy", saved, CPU)
    images = torch.randn(1, 3, 16, 16)
    assert torch.equal(network(images), again(images))
    assert not again.training
    assert saved.weights_sha256 == bundle.weights_sha256


def test_one_changed_byte_of_the_weights_is_refused(folder: Path) -> None:
    file = folder / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match="missing or were altered"):
        load_bundle(folder)


def test_missing_weights_are_refused(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match="missing or were altered"):
        load_bundle(folder)


def test_no_bundle_lists_those_there_are(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"'nuclei2'; allowed: nuclei.*pathoai train"):
        load_bundle(folder.with_name("nuclei2"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "another version"),
        ({"surprise": 1}, "malformed"),
        ({"classes": ["nucleus"]}, "background"),
        ({"calibration": {}}, "malformed"),
        ({"calibration": {"temperature": -1.0, "reliability": {}}}, "temperature"),
    ],
)
def test_other_descriptions_are_refused(folder: Path, change: dict[str, object], says: str) -> None:
    file = folder / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf8")) | change), "utf8")
    with pytest.raises(Exception, match=says) as caught:
        load_bundle(folder)
    assert type(caught.value).__module__ == "pathoai.errors"


def test_half_a_description_is_refused(folder: Path) -> None:
    file = folder / "bundle.json"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match="malformed"):
        load_bundle(folder)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    bundle = replace(load_bundle(folder), arguments={"width": 8, "depth": 1})
    with pytest.raises(ModelError, match="do not fit the architecture"):
        load_network(folder, bundle, CPU)


def test_channels_mean_classes_of_one_ontology() -> None:
    breast = load_ontology("breast")
    assert BUNDLE.class_indices(breast) == [0, breast["nucleus"].index]
    with pytest.raises(ModelError, match="another ontology"):
        BUNDLE.channel_classes(load_ontology("cervix"))


def test_normalisation_centres_bytes() -> None:
    white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    out = Normalisation((0.5, 0.5, 0.5), (0.25, 0.5, 1.0))(white)
    assert out[0, :, 0, 0].tolist() == [2.0, 1.0, 0.5]


def test_prediction_needs_no_training_framework(folder: Path) -> None:
    text = (
        "import sys, torch; from pathlib import Path\n"
        "from pathoai.models.bundle import load_bundle, load_network\n"
        "folder = Path(sys.argv[1]); bundle = load_bundle(folder)\n"
        "load_network(folder, bundle, torch.device('cpu'))(torch.zeros(1, 3, 16, 16))\n"
        "known = {'pytorch_lightning', 'lightning', 'jsonargparse', 'torchmetrics'}\n"
        "sys.exit(' '.join(known & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, str(folder)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
