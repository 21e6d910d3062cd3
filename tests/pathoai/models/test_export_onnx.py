from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.errors import InvalidValueError, MissingDependencyError, ModelError
from pathoai.models import onnx_packages
from pathoai.models.architecture import build_network
from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.bundle import (
    INSTANCE_SEGMENTATION,
    REGION_CLASSIFICATION,
    SLIDE_GRADING,
    ModelBundle,
)
from pathoai.models.calibration import Calibration
from pathoai.models.export_onnx import OPSET, export_onnx
from pathoai.models.onnx_model import load_onnx_model, open_onnx_model, read_record
from pathoai.models.probability_network import ProbabilityNetwork
from pathoai.models.quantise_onnx import quantise_onnx
from pathoai.models.region_decision import RegionDecision
from pathoai.models.turns import dihedral
from pathoai.provenance import sha256_of_file
from pathoai.tiling.spec import TileSpec

BUNDLE = ModelBundle(
    name="nuclei",
    architecture="unet",
    arguments={"width": 4, "depth": 1},
    ontology="breast",
    ontology_version="0.1",
    classes=("background", "nucleus"),
    spec=TileSpec(32, 0.5),
    calibration=Calibration(1.5),
    decision={"rule": "expected cost"},
    licence="Apache-2.0",
    intended_use="Research only.",
    weights_sha256="0" * 64,
)
INSTANCES = replace(BUNDLE, task=INSTANCE_SEGMENTATION)


def network_of(bundle: ModelBundle) -> nn.Module:
    torch.manual_seed(0)
    network = build_network("unet", classes=bundle.outputs, arguments=bundle.arguments)
    network(torch.randn(4, 3, 32, 32))  # running means and variances differ from new ones
    return network.eval()


def images(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def torch_says(
    bundle: ModelBundle, network: nn.Module, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], ...]:
    with torch.no_grad():
        found = ProbabilityNetwork(bundle, network)(torch.from_numpy(pixels))
    return tuple(output.numpy() for output in found)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance bundle as ONNX, exported once: it takes seconds."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(INSTANCES, network_of(INSTANCES), path)
    return path


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 64, 48)])
def test_bytes_go_in_and_what_torch_says_comes_out(exported: Path, shape: tuple[int, ...]) -> None:
    pixels = images(*shape)
    probabilities, maps = open_onnx_model(exported, threads=1).run(pixels)
    ours = torch_says(INSTANCES, network_of(INSTANCES), pixels)
    assert probabilities.shape == (shape[0], 2, *shape[2:])
    np.testing.assert_allclose(probabilities, ours[0], atol=1e-5)
    np.testing.assert_allclose(maps, ours[1], atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_the_file_says_what_it_is(exported: Path) -> None:
    model = open_onnx_model(exported, threads=1)
    assert model.classes == INSTANCES.classes
    assert model.about["bundle_sha256"] == INSTANCES.identity
    assert json.loads(model.about["decision"]) == {"rule": "expected cost"}
    assert (model.about["mpp"], model.about["size_px"]) == ("0.5", "32")
    assert (model.about["licence"], model.about["precision"]) == ("Apache-2.0", "float32")
    assert {o.domain: o.version for o in onnx.load(str(exported)).opset_import}[""] == OPSET


def test_no_path_of_this_machine_lies_in_the_file(exported: Path) -> None:
    data = exported.read_bytes()
    for secret in (Path.home(), Path.cwd(), Path(torch.__file__).parent, exported.parent):
        assert str(secret).encode() not in data
    assert b".py" not in data


class FlattenedAt32(nn.Module):
    """Takes tiles of one size only, as networks with positions do."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(32 * 32, 32 * 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mix(x[:, :2].flatten(2))
        return mixed.view(-1, 2, 32, 32)


def test_a_network_of_one_size_is_exported_at_that_size(tmp_path: Path) -> None:
    network = FlattenedAt32().eval()
    export_onnx(BUNDLE, network, tmp_path / "model.onnx")
    pixels = images(3, 3, 32, 32)
    (found,) = open_onnx_model(tmp_path / "model.onnx", threads=1).run(pixels)
    np.testing.assert_allclose(found, torch_says(BUNDLE, network, pixels)[0], atol=1e-5)


def test_eight_bits_are_a_quarter_of_the_size_and_close(tmp_path: Path) -> None:
    bundle = replace(BUNDLE, arguments={"width": 16, "depth": 2})
    network = network_of(bundle)
    source, target = tmp_path / "model.onnx", tmp_path / "model.int8.onnx"
    export_onnx(bundle, network, source)
    quantise_onnx(source, target, [{"images": images(16, 3, 32, 32)}])
    assert target.stat().st_size < source.stat().st_size / 2
    model = open_onnx_model(target, threads=1)
    assert model.about["precision"] == "int8"
    assert model.classes == bundle.classes
    pixels = images(2, 3, 64, 64)
    (found,) = model.run(pixels)
    assert np.abs(found - torch_says(bundle, network, pixels)[0]).mean() < 0.02


REGIONS = ModelBundle(
    name="cells",
    architecture="region-classifier",
    arguments={"arguments": {"width": 4}, "context": [2, 8]},
    ontology="breast",
    ontology_version="0.1",
    classes=("nucleus_lymphocyte", "nucleus_neoplastic", "nucleus_stromal"),
    spec=TileSpec(24, 0.5),
    task=REGION_CLASSIFICATION,
    calibration=Calibration(0.7),
    decision=RegionDecision(8).to_dict(),
)
SLIDES = replace(
    REGIONS,
    name="grades",
    architecture="gated-attention",
    arguments={"features": 12, "hidden": 16, "attention_width": 8},
    task=SLIDE_GRADING,
    encoder={"key": "tiny", "weights_sha256": "a" * 64, "licence": "MIT"},
    decision={},
)


def built(bundle: ModelBundle) -> nn.Module:
    torch.manual_seed(0)
    made = build_network(bundle.architecture, classes=bundle.outputs, arguments=bundle.arguments)
    return made.eval()


@pytest.mark.parametrize("turns", [1, 8])
def test_regions_leave_with_their_turns_and_batches_of_any_length(
    tmp_path: Path, turns: int
) -> None:
    bundle = replace(REGIONS, decision=RegionDecision(turns).to_dict())
    network, path = built(bundle), tmp_path / "model.onnx"
    export_onnx(bundle, network, path)
    model = open_onnx_model(path, threads=1)
    for count in (1, 5):
        views = images(count, 3, 3, 24, 24)
        (found,) = model.run(views)
        with torch.no_grad():
            logits = torch.stack(
                [
                    network(bundle.normalisation(dihedral(torch.from_numpy(views), turn)))
                    for turn in range(turns)
                ]
            ).mean(0)
        expected = torch.softmax(logits / 0.7, dim=1).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert json.loads(model.about["context"]) == [2, 8]
    (blank,) = model.blank_inputs()
    assert (blank.shape, blank.dtype.name) == ((1, 3, 3, 24, 24), "uint8")
    target = tmp_path / "model.int8.onnx"
    quantise_onnx(path, target, [{"views": images(16, 3, 3, 24, 24)}])
    (found,) = open_onnx_model(target, threads=1).run(views)
    assert np.abs(found - expected).mean() < 0.05


@pytest.mark.parametrize("architecture", ["gated-attention", "mean-pool"])
def test_bags_of_any_length_leave_with_the_weights_of_their_tiles(
    tmp_path: Path, architecture: str
) -> None:
    arguments = {"features": 12, "hidden": 16}
    bundle = replace(SLIDES, architecture=architecture, arguments=arguments)
    network, path = built(bundle), tmp_path / "model.onnx"
    assert isinstance(network, BagClassifier)
    export_onnx(bundle, network, path)
    target = tmp_path / "model.int8.onnx"
    generator = np.random.default_rng(1)
    samples = [
        {
            "features": generator.normal(size=(2, 40, 12)).astype(np.float32),
            "mask": np.ones((2, 40), bool),
        }
        for _ in range(4)
    ]
    quantise_onnx(path, target, samples)
    for file, closeness in ((path, 1e-5), (target, 0.1)):
        model = open_onnx_model(file, threads=1)
        assert model.inputs == ("features", "mask")
        for slides, tiles in ((1, 1), (1, 300), (3, 7)):
            features = generator.normal(size=(slides, tiles, 12)).astype(np.float32)
            mask = np.ones((slides, tiles), bool)
            mask[-1, tiles - tiles // 2 :] = False
            features[~mask] = np.nan  # padding may hold anything
            shown = torch.from_numpy(features), torch.from_numpy(mask)
            with torch.no_grad():
                expected = torch.softmax(network(*shown) / 0.7, dim=1).numpy()
                weights = network.attention(*shown).numpy()
            probabilities, attention = model.run(features, mask)
            np.testing.assert_allclose(probabilities, expected, atol=closeness)
            np.testing.assert_allclose(attention, weights, atol=closeness)
            assert (attention[~mask] == 0).all()
        assert [one.shape for one in model.blank_inputs()] == [(1, 16, 12), (1, 16)]
        assert np.isfinite(model.run(*model.blank_inputs())[0]).all()
    about = json.loads(model.about["encoder"])
    assert about == {"key": "tiny", "weights_sha256": "a" * 64}


class Undecided(nn.Module):
    """Does one thing or another by the values it sees, which no graph can hold."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2] if x.sum() > 0 else x[:, 1:]


def test_what_cannot_be_exported_is_refused_in_one_line(tmp_path: Path) -> None:
    bag = replace(BUNDLE, task="slide-classification", classes=("normal", "lesion"))
    with pytest.raises(ModelError, match="models of this task cannot be exported"):
        export_onnx(bag, network_of(BUNDLE), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="cannot be written as ONNX"):
        export_onnx(BUNDLE, Undecided(), tmp_path / "model.onnx")
    with torch.device("meta"):
        huge = nn.Linear(30_000, 30_000)
    with pytest.raises(ModelError, match=r"too large.*3\.6 GB"):
        export_onnx(BUNDLE, huge, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_altered_file_and_a_malformed_record_are_refused(exported: Path, tmp_path: Path) -> None:
    data = exported.read_bytes()
    (tmp_path / "model.onnx").write_bytes(data)
    record = {"files": {"model.onnx": {"sha256": sha256_of_file(exported)}}}
    (tmp_path / "export.json").write_text(json.dumps(record))
    assert load_onnx_model(tmp_path, threads=1).about["name"] == "nuclei"
    with pytest.raises(InvalidValueError, match="float32, int8"):
        load_onnx_model(tmp_path, "int4")
    with pytest.raises(ModelError, match="missing or was altered"):
        load_onnx_model(tmp_path, "int8")
    (tmp_path / "model.onnx").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="missing or was altered"):
        load_onnx_model(tmp_path)
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(ModelError, match="malformed record"):
        read_record(tmp_path)
    (tmp_path / "export.json").unlink()
    with pytest.raises(ModelError, match="no exported model"):
        read_record(tmp_path)


def test_what_is_no_model_of_ours_is_refused(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "half.onnx").write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(ModelError, match="no ONNX model"):
        open_onnx_model(tmp_path / "half.onnx")
    model = onnx.load(str(exported))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "foreign.onnx"))
    with pytest.raises(ModelError, match="not exported by pathoai"):
        open_onnx_model(tmp_path / "foreign.onnx")


def test_running_needs_no_torch_and_leaves_nothing_at_home(exported: Path, tmp_path: Path) -> None:
    text = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from pathoai.models.onnx_model import open_onnx_model\n"
        "from pathoai.models.quantise_onnx import quantise_onnx\n"
        "model = open_onnx_model(Path(sys.argv[1]), threads=1)\n"
        "model.run(np.zeros((1, 3, 32, 32), np.uint8))\n"
        "assert 'torch' not in sys.modules\n"
        "open_files = Path('/proc/self/fd')\n"  # where there is one: no connection was made
        "if open_files.is_dir():\n"
        "    links = [str(f.readlink()) for f in open_files.iterdir() if f.is_symlink()]\n"
        "    assert not [link for link in links if link.startswith('socket:')], links\n"
        "samples = [{'images': np.zeros((2, 3, 32, 32), np.uint8)}]\n"
        "quantise_onnx(Path(sys.argv[1]), Path(sys.argv[2]), samples)\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    done = subprocess.run(
        [sys.executable, "-c", text, str(exported), str(tmp_path / "int8.onnx")],
        env=environment | {"HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in home.rglob("*")] == []


def test_a_missing_package_is_named_with_its_remedy() -> None:
    with pytest.raises(MissingDependencyError, match=r"pathoai\[onnx\]"):
        onnx_packages.onnx_package("onnx_that_nobody_installed")
