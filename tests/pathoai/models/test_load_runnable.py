"""Who computes: torch, or onnxruntime that says the same; and exports that lie beside a bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models import architecture
from pathoai.models import bundle as bundles
from pathoai.models.architecture import build_network
from pathoai.models.bundle import (
    INSTANCE_SEGMENTATION,
    REGION_CLASSIFICATION,
    ModelBundle,
    load_network,
    save_bundle,
)
from pathoai.models.calibration import Calibration
from pathoai.models.export_onnx import export_onnx
from pathoai.models.load_runnable import TOLERANCE, load_runnable
from pathoai.models.onnx_network import OnnxNetwork, int8_sha256, runtime_of
from pathoai.models.pooled_features import pooled_features
from pathoai.models.probability_network import forward_of
from pathoai.models.quantise_onnx import quantise_onnx
from pathoai.models.region_decision import RegionDecision
from pathoai.provenance import sha256_of_file
from pathoai.tiling.spec import TileSpec

CPU = torch.device("cpu")
PIXELS = ModelBundle(
    name="nuclei",
    architecture="unet",
    arguments={"width": 4, "depth": 1},
    ontology="breast",
    ontology_version="0.1",
    classes=("background", "nucleus"),
    spec=TileSpec(32, 0.5),
    calibration=Calibration(1.5),
)
NETWORKS = {
    "unet": replace(PIXELS, task=INSTANCE_SEGMENTATION, arguments={"width": 8, "depth": 3}),
    "fine-unet": replace(
        PIXELS,
        architecture="fine-unet",
        arguments={"encoder": "tf_efficientnet_lite0", "depth": 3, "width": 8},
        task=INSTANCE_SEGMENTATION,
    ),
    "smp": replace(
        PIXELS, architecture="smp", arguments={"decoder": "unet", "encoder": "resnet18"}
    ),
    "regions": replace(
        PIXELS,
        architecture="region-classifier",
        arguments={
            "encoder": "tf_efficientnet_lite0",
            "stride": 16,
            "pooling": "avg+centre",
            "context": [3],
        },
        classes=("nucleus_lymphocyte", "nucleus_neoplastic", "nucleus_stromal"),
        task=REGION_CLASSIFICATION,
        decision=RegionDecision(4).to_dict(),
    ),
}


def saved(folder: Path, bundle: ModelBundle) -> ModelBundle:
    """A bundle of random weights; running means and variances differ from new ones."""
    torch.manual_seed(0)
    made = build_network(bundle.architecture, classes=bundle.outputs, arguments=bundle.arguments)
    with torch.no_grad():
        made(bundle.normalisation(shown(bundle, 8)))
    return save_bundle(folder, bundle, made)


def shown(bundle: ModelBundle, count: int) -> torch.Tensor:
    context = bundle.arguments.get("context", ())
    views = (1 + len(context),) if bundle.task == REGION_CLASSIFICATION else ()
    side = bundle.spec.size_px
    generator = np.random.default_rng(1)
    return torch.from_numpy(generator.integers(0, 256, (count, *views, 3, side, side), np.uint8))


@pytest.fixture
def threads() -> Iterator[None]:
    """Whatever a test sets is put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_says_what_torch_says_in_batches_and_threads_of_any_number(
    tmp_path: Path, name: str, threads: None
) -> None:
    bundle = saved(tmp_path / "nuclei", NETWORKS[name])
    files = sorted(tmp_path.rglob("*"))
    network = load_runnable(tmp_path / "nuclei", bundle, CPU)
    assert isinstance(network, OnnxNetwork)
    assert runtime_of(network)["runtime"].startswith("onnxruntime ")
    assert runtime_of(network)["precision"] == "float32"
    assert int8_sha256(network) is None
    assert sorted(tmp_path.rglob("*")) == files
    by_torch = load_runnable(tmp_path / "nuclei", bundle, CPU, "torch")
    assert runtime_of(by_torch) == {
        "runtime": f"torch {torch.__version__}",
        "precision": "float32",
    }
    batch = shown(bundle, 5)
    ask = forward_of(bundle, network)
    torch.set_num_threads(1)
    with torch.inference_mode():
        expected = forward_of(bundle, by_torch)(batch)
        found = ask(batch)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == torch.float32
        np.testing.assert_allclose(one, other, atol=TOLERANCE / 10)
    one_by_one = [ask(batch[at : at + 1]) for at in range(5)]
    with ThreadPoolExecutor(3) as pool:
        beside_each_other = list(pool.map(ask, [batch[:3], batch[3:]]))
    torch.set_num_threads(2)
    divided = [ask(batch)]
    for parts in (one_by_one, beside_each_other, divided):
        for output, pieces in zip(found, zip(*parts, strict=True), strict=True):
            assert torch.equal(output, torch.cat(pieces))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with its export in both precisions beside it."""
    folder = tmp_path_factory.mktemp("models") / "nuclei"
    bundle = saved(folder, replace(PIXELS, arguments={"width": 8, "depth": 1}))
    (folder / "onnx").mkdir()
    files = [folder / "onnx" / name for name in ("model.onnx", "model.int8.onnx")]
    export_onnx(bundle, load_network(folder, bundle, CPU), files[0])
    quantise_onnx(files[0], files[1], [{"images": shown(bundle, 16).numpy()}])
    write_record(folder, bundle.identity)
    return folder


def write_record(folder: Path, identity: str) -> None:
    files = {f.name: {"sha256": sha256_of_file(f)} for f in (folder / "onnx").glob("*.onnx")}
    record = json.dumps({"bundle_sha256": identity, "files": files})
    (folder / "onnx" / "export.json").write_text(record)


@pytest.fixture
def beside(exported: Path, tmp_path: Path) -> tuple[Path, ModelBundle]:
    """A copy of it that may be spoilt."""
    folder = tmp_path / "models" / "nuclei"
    shutil.copytree(exported, folder)
    return folder, bundles.load_bundle(folder)


def test_an_export_beside_the_bundle_is_run(beside: tuple[Path, ModelBundle]) -> None:
    folder, bundle = beside
    batch = shown(bundle, 3)
    (expected,) = forward_of(bundle, load_runnable(folder, bundle, CPU, "torch"))(batch)
    for runtime, precision, closeness in (
        ("auto", "float32", 1e-4),
        ("onnx", "float32", 1e-4),
        ("onnx-int8", "int8", 0.05),
    ):
        network = load_runnable(folder, bundle, CPU, runtime)
        assert isinstance(network, OnnxNetwork)
        name = {"float32": "model.onnx", "int8": "model.int8.onnx"}[precision]
        assert network.model.sha256 == sha256_of_file(folder / "onnx" / name)
        assert network.model.session.get_inputs()[0].shape == [1, 3, 32, 32]
        assert runtime_of(network)["precision"] == precision
        assert int8_sha256(network) == (network.model.sha256 if precision == "int8" else None)
        (found,) = network.whole(batch)
        assert (found - expected).abs().mean() < closeness
        # Whoever looks inside sees the network of torch.
        images = bundle.normalisation(batch)
        torch.testing.assert_close(
            pooled_features(network, images), pooled_features(network.network, images)
        )


def test_an_altered_export_is_refused(beside: tuple[Path, ModelBundle]) -> None:
    folder, bundle = beside
    for name, runtimes in (("model.onnx", ("auto", "onnx")), ("model.int8.onnx", ("onnx-int8",))):
        path = folder / "onnx" / name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        for runtime in runtimes:
            with pytest.raises(ModelError, match=f"onnx/{name}: .*missing or was altered"):
                load_runnable(folder, bundle, CPU, runtime)
        path.unlink()
        with pytest.raises(ModelError, match="missing or was altered"):
            load_runnable(folder, bundle, CPU, runtimes[-1])
    assert not isinstance(load_runnable(folder, bundle, CPU, "torch"), OnnxNetwork)


def test_an_export_of_another_bundle_is_not_taken(beside: tuple[Path, ModelBundle]) -> None:
    folder, _ = beside
    # The model was trained again.
    bundle = save_bundle(
        folder,
        replace(PIXELS, weights_sha256=""),
        build_network("unet", classes=2, arguments=PIXELS.arguments),
    )
    network = load_runnable(folder, bundle, CPU, "onnx")
    assert isinstance(network, OnnxNetwork)
    assert network.model.sha256 != sha256_of_file(folder / "onnx" / "model.onnx")
    with pytest.raises(ModelError, match=r"an export of another model.*remove the folder onnx"):
        load_runnable(folder, bundle, CPU, "onnx-int8")
    # A record that claims what is not so.
    write_record(folder, bundle.identity)
    for runtime in ("auto", "onnx-int8"):
        with pytest.raises(ModelError, match="another than its record says"):
            load_runnable(folder, bundle, CPU, runtime)
    shutil.rmtree(folder / "onnx")
    with pytest.raises(ModelError, match=r"no export; .*model export STUDY --model nuclei"):
        load_runnable(folder, bundle, CPU, "onnx-int8")


def test_an_export_that_says_something_else_is_refused(beside: tuple[Path, ModelBundle]) -> None:
    folder, bundle = beside
    torch.manual_seed(5)
    other = build_network("unet", classes=2, arguments=bundle.arguments).eval()
    export_onnx(bundle, other, folder / "onnx" / "model.onnx")
    write_record(folder, bundle.identity)
    with pytest.raises(ModelError, match=r"does not say what torch says; .*--runtime torch"):
        load_runnable(folder, bundle, CPU)


class Undecided(nn.Module):
    """Does one thing or another by the values it sees, which no graph can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2] if x.sum() > 0 else x[:, 1:]


def test_what_no_graph_can_hold_is_run_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architecture, "build_network", lambda *_, **__: Undecided())
    bundle = save_bundle(tmp_path / "odd", PIXELS, Undecided())
    assert isinstance(load_runnable(tmp_path / "odd", bundle, CPU), Undecided)
    with pytest.raises(ModelError, match="cannot be written as ONNX"):
        load_runnable(tmp_path / "odd", bundle, CPU, "onnx")


def test_other_devices_are_torch_s(tmp_path: Path) -> None:
    bundle, elsewhere = saved(tmp_path / "nuclei", PIXELS), torch.device("meta")
    network = load_runnable(tmp_path / "nuclei", bundle, elsewhere)
    assert next(network.parameters()).device == elsewhere
    for runtime in ("onnx", "onnx-int8"):
        with pytest.raises(InvalidValueError, match=f"--runtime {runtime}: .*add --device cpu"):
            load_runnable(tmp_path / "nuclei", bundle, elsewhere, runtime)
    with pytest.raises(InvalidValueError, match="auto, torch, onnx, onnx-int8"):
        load_runnable(tmp_path / "nuclei", bundle, CPU, "tensorrt")


WITHOUT = """
import sys
from pathlib import Path
folder, way = Path(sys.argv[1]), sys.argv[2]
if way == "missing":
    sys.modules["onnxruntime"] = None  # as if it were not installed: nothing finds or imports it
else:
    sys.path.insert(0, way)  # one that was built for another machine
import torch
from pathoai.errors import MissingDependencyError
from pathoai.models.bundle import load_bundle
from pathoai.models.load_runnable import load_runnable
bundle, cpu = load_bundle(folder), torch.device("cpu")
assert type(load_runnable(folder, bundle, cpu)).__name__ == "UNet"
for runtime in ("onnx", "onnx-int8"):
    try:
        load_runnable(folder, bundle, cpu, runtime)
    except MissingDependencyError as error:
        print(error)
"""


@pytest.mark.parametrize("way", ["missing", "broken"])
def test_without_its_packages_torch_computes(exported: Path, tmp_path: Path, way: str) -> None:
    broken = tmp_path / "onnxruntime"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('GLIBC_2.99 not found')")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(exported), str(tmp_path) if way == "broken" else way],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    says = {"missing": "not installed; found onnxruntime", "broken": "GLIBC_2.99 not found"}
    assert done.stdout.count(says[way]) == 2
    assert done.stdout.count("pip install 'pathoai[onnx]'") == 2
