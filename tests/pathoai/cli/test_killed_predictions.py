"""Killed by signal 9 at any moment, `pathoai predict` goes on to the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pathoai.cli.main import main
from pathoai.models.architecture import build_network
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle, save_bundle
from pathoai.models.region_decision import RegionDecision
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.tiling.spec import TileSpec

pytestmark = pytest.mark.long

_KILLS = 33
"""Thirty, and three of a program whose slides are dealt to two processes."""
_SCRIPT = Path(__file__).with_name("killed_predictions.py")


def _save_models(study: Study) -> None:
    """Models of random weights: of pixels, and of squares over the tissue."""
    ontology = study.ontology
    about = (ontology.key, ontology.version)
    torch.manual_seed(3)  # with these weights it finds objects
    classes = ("background", ontology.classes[1].key)
    network = build_network("unet", classes=2, arguments={"width": 2, "depth": 1})
    pixels = ModelBundle(
        "pixels", "unet", {"width": 2, "depth": 1}, *about, classes, TileSpec(128, 0.5)
    )
    save_bundle(study.model_path("pixels"), pixels, network)
    arguments = {"arguments": {"width": 4}, "context": [2]}
    regions = ModelBundle(
        "regions",
        "region-classifier",
        arguments,
        *about,
        tuple(c.key for c in ontology.classes[1:3]),
        TileSpec(48, 0.5),
        task=REGION_CLASSIFICATION,
        decision=RegionDecision(1, None, "tissue").to_dict(),
    )
    network = build_network("region-classifier", classes=2, arguments=arguments)
    save_bundle(study.model_path("regions"), regions, network)


@pytest.fixture
def pristine(tmp_path: Path) -> Path:
    """A folder with a slide, and a study of two slides and two models, of three shards each."""
    folder = tmp_path / "pristine"
    study = Study.create(folder / "study", ontology="breast")
    slide, other = folder / "slide.svs", tmp_path / "other.svs"
    generate_slide(slide, SlideRecipe(width=4300, height=300, mpp=0.5, seed=3))
    other.write_bytes(slide.read_bytes() + b"another file")
    study.add([IncomingSlide(slide), IncomingSlide(other)])
    _save_models(study)
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_killed_at_thirty_random_moments_it_goes_on_to_the_same_files(
    pristine: Path, tmp_path: Path
) -> None:
    """Two slides on two workers, in one process, and a slide without a study: all are struck."""
    ended = subprocess.run(
        [sys.executable, str(_SCRIPT), str(pristine), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        # As the program has it: threads that spin while they wait take the time of all others.
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf8"))
    assert [one["different"] for one in found.values()] == [[]] * len(found)
    assert sum(one["kills"] for one in found.values()) == _KILLS
    # Strikes must find work under way, in many states and not at its end, or they prove little.
    shares = [share for one in found.values() for share in one["shares"]]
    assert min(shares) < 0.75
    assert len(set(shares)) > 10
