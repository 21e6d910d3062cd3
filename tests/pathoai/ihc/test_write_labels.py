"""Labels from restained twins whose truth is known."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import AlignmentError, OntologyError, StoreError
from pathoai.ihc.label_words import label_words
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import MarkerRecipe, load_recipe
from pathoai.ihc.trust import Trust
from pathoai.ihc.write_labels import label_marker, label_unmasked
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.registration.register_pair import register_pair
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.ihc_staining import Chromogen
from pathoai.testing.ihc_twin import generate_ihc_twin
from pathoai.testing.true_registration import believable
from tests.pathoai.ihc.conftest import TWIN_ID, MakePair, Pair, dice, stored

CPU = torch.device("cpu")
BREAST = load_ontology("breast")


def _seen(pair: Pair, recipe: MarkerRecipe) -> MarkedPair:
    return MarkedPair.seen(pair.fixed, pair.moving, pair.registration, recipe, BREAST)


def _label(pair: Pair, recipe: MarkerRecipe) -> LabelImage:
    return label_marker(_seen(pair, recipe), device=CPU)


def _unmasked(pair: Pair, recipe: MarkerRecipe) -> NDArray[np.uint8]:
    return label_unmasked(_seen(pair, recipe), device=CPU).read_all()


def _truth(pair: Pair, chromogen: str = "dab") -> NDArray[np.bool_]:
    size, key = pair.fixed.grid().size_px, cast(Chromogen, chromogen)
    return pair.truth.positive_mask(0, 0, size.width, size.height, chromogen=key)


@pytest.mark.parametrize("key", ["AE1AE3", "MKI67", "HER2", "CD3CD20", "P40COLIV"])
def test_what_is_trusted_is_right_and_what_is_wrong_is_not_trusted(
    make_pair: MakePair, key: str
) -> None:
    """Of each kind of marker: cytoplasm, nucleus, membrane, rim, and two chromogens."""
    pair, recipe = make_pair(key), load_recipe(key)
    label, unmasked = _label(pair, recipe).read_all(), _unmasked(pair, recipe)
    trust = pair.fixed.label(recipe.trust_label).read_all()
    trusted, tissue = trust == Trust.TRUSTED, trust != NOT_ASSESSED
    np.testing.assert_array_equal(label != NOT_ASSESSED, trusted)
    for target in recipe.targets:
        index, truth = BREAST[target.class_key].index, _truth(pair, target.chromogen)
        assert dice(label == index, truth, trusted) >= 0.95
        wrong = tissue & ((unmasked == index) != truth)
        right = tissue & ~wrong
        assert (wrong & ~trusted).sum() / wrong.sum() >= 0.95
        assert (right & trusted).sum() / right.sum() >= 0.80


def test_a_torn_and_folded_twin_registered_from_scratch(
    generated: tuple[Path, SlideTruth], tiled_store: Path, tmp_path: Path
) -> None:
    """What is gone from the twin teaches nothing; on so small a section the rims cost a third."""
    truth = generate_ihc_twin(tmp_path / "twin.svs", generated[1], tears=1, folds=1)
    moving = stored(tmp_path / "twin.svs", tmp_path / f"{TWIN_ID}.zarr", TWIN_ID, "ihc")
    fixed = SlideStore(Path(shutil.copytree(tiled_store, tmp_path / tiled_store.name)))
    pair = Pair(fixed, moving, truth, register_pair(fixed, moving, device=CPU))
    recipe = load_recipe("AE1AE3")
    label, unmasked = _label(pair, recipe).read_all(), _unmasked(pair, recipe)
    trust = fixed.label(recipe.trust_label).read_all()
    trusted, tissue = trust == Trust.TRUSTED, trust != NOT_ASSESSED
    height, width = label.shape
    gone = truth.gone_mask(0, 0, width, height) & tissue
    assert gone.any()
    assert trusted[gone].mean() < 0.1
    index, positive = BREAST[recipe.class_key].index, _truth(pair)
    assert dice(label == index, positive, trusted) >= 0.95
    wrong = tissue & ((unmasked == index) != positive)
    assert (wrong & ~trusted).sum() / wrong.sum() >= 0.95
    assert trusted[tissue & ~wrong].mean() >= 0.6


def test_only_tissue_is_assessed_and_the_label_says_what_it_rests_on(make_pair: MakePair) -> None:
    pair, recipe = make_pair("AE1AE3"), load_recipe("AE1AE3")
    label = _label(pair, recipe)
    trust = pair.fixed.label(recipe.trust_label)
    size = pair.fixed.grid().size_px
    rows, columns = slice(0, size.height), slice(0, size.width)
    tissue = pair.fixed.tissue.on_grid(pair.fixed.grid(), rows, columns)
    np.testing.assert_array_equal(trust.read_all() != NOT_ASSESSED, tissue)
    assert label.about["origin"] == "ihc"
    assert label.about["restained_sha256"] == pair.moving.identity
    assert label.about["recipe"]["targets"][0]["class_key"] == "epithelial_cell"
    assert label.about["thresholds"][0]["seen"]
    assert {"ihc/AE1AE3", "trust/AE1AE3"} <= set(pair.fixed.labels)
    assert label_words(pair.fixed, recipe).startswith("label ihc/AE1AE3: ")


def test_a_second_run_writes_nothing(make_pair: MakePair) -> None:
    pair, recipe = make_pair("AE1AE3"), load_recipe("AE1AE3")
    _label(pair, recipe)
    before = {f: f.stat().st_mtime_ns for f in pair.fixed.path.rglob("*")}
    _label(pair, recipe)
    assert {f: f.stat().st_mtime_ns for f in pair.fixed.path.rglob("*")} == before


def test_a_coarser_label_lies_on_the_same_tissue(make_pair: MakePair, tmp_path: Path) -> None:
    pair = make_pair("AE1AE3").copy(tmp_path)
    recipe = replace(load_recipe("AE1AE3"), label_mpp=1.0)
    label = _label(pair, recipe)
    assert label.mpp == 1.0
    truth = _truth(pair)[:1200, :1500].reshape(600, 2, 750, 2).mean(axis=(1, 3)) >= 0.5
    found = label.read_all()
    index = BREAST["epithelial_cell"].index
    assert dice(found == index, truth, found != NOT_ASSESSED) >= 0.95


def test_a_negative_slide_has_no_positives(make_pair: MakePair, tmp_path: Path) -> None:
    """The H&E slide, taken for its own twin, has no brown at all."""
    pair = make_pair("AE1AE3").copy(tmp_path)
    registration = _identity(pair)
    for key in ("AE1AE3", "MKI67", "HER2"):
        own = MarkedPair.seen(pair.fixed, pair.fixed, registration, load_recipe(key), BREAST)
        label = label_marker(own, device=CPU)
        found = label.read_all()
        assert not label.about["thresholds"][0]["seen"]
        assert not ((found != 0) & (found != NOT_ASSESSED)).any()


def _identity(pair: Pair) -> Registration:
    transform = pair.registration.transform
    same = replace(transform, moving=transform.fixed, affine=np.eye(2, 3), displacement=None)
    return replace(pair.registration, transform=same)


def test_refused_tiles_and_missing_tissue_are_ignored(make_pair: MakePair, tmp_path: Path) -> None:
    pair = make_pair("AE1AE3").copy(tmp_path)
    quality = pair.registration.quality
    state = quality.state.copy()
    state[:, :5] = TileState.REFUSED
    shifted = replace(
        pair.registration.transform,
        affine=pair.registration.transform.affine + np.array([[0, 0, 200.0], [0, 0, 0]]),
    )
    registration = replace(
        pair.registration, transform=shifted, quality=replace(quality, state=state)
    )
    other = Pair(pair.fixed, pair.moving, pair.truth, registration)
    recipe = load_recipe("AE1AE3")
    label = _label(other, recipe).read_all()
    trust = other.fixed.label(recipe.trust_label).read_all()
    assert set(np.unique(trust[:, :500])) <= {
        Trust.NOT_REGISTERED,
        Trust.NO_TISSUE_ON_OTHER,
        NOT_ASSESSED,
    }
    assert (trust == Trust.NO_TISSUE_ON_OTHER).any()
    assert (label[trust != Trust.TRUSTED] == NOT_ASSESSED).all()


def test_a_larger_residual_takes_a_wider_border(make_pair: MakePair, tmp_path: Path) -> None:
    trusted = []
    for residual in (0.0, 2.0):
        pair = make_pair("AE1AE3").copy(tmp_path / str(residual))
        quality = replace(
            pair.registration.quality,
            residual_um=np.full_like(pair.registration.quality.residual_um, residual),
        )
        other = Pair(
            pair.fixed, pair.moving, pair.truth, replace(pair.registration, quality=quality)
        )
        recipe = load_recipe("AE1AE3")
        _label(other, recipe)
        trusted.append(other.fixed.label(recipe.trust_label).read_all() == Trust.TRUSTED)
    assert (trusted[1] & ~trusted[0]).sum() == 0
    assert trusted[1].sum() < 0.9 * trusted[0].sum()


def test_a_registration_of_other_pixels_is_refused(make_pair: MakePair) -> None:
    pair = make_pair("AE1AE3")
    transform = pair.registration.transform
    other = replace(transform, moving=replace(transform.moving, identity="0" * 64))
    with pytest.raises(StoreError, match=r"other pixels.*pathoai register"):
        MarkedPair.seen(
            pair.fixed,
            pair.moving,
            replace(pair.registration, transform=other),
            load_recipe("AE1AE3"),
            BREAST,
        )


def test_neighbouring_sections_give_no_labels(make_pair: MakePair) -> None:
    pair = make_pair("AE1AE3")
    about = pair.registration.about | {"settings": {"neighbouring": True}}
    neighbours = replace(pair.registration, about=about)
    with pytest.raises(AlignmentError, match=r"neighbouring sections give no labels.*transfer"):
        MarkedPair.seen(pair.fixed, pair.moving, neighbours, load_recipe("AE1AE3"), BREAST)


def test_a_class_that_the_ontology_lacks_is_refused(make_pair: MakePair) -> None:
    with pytest.raises(OntologyError, match="epithelium_p16"):
        _label(make_pair("AE1AE3"), load_recipe("P16"))


_RUN = """
import os, signal, sys
from pathlib import Path
import torch
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import load_recipe
from pathoai.ihc.write_labels import label_marker
from pathoai.ontology import load_ontology
from pathoai.registration.register_pair import register_pair
from pathoai.registration.saved_registration import Registration
from pathoai.store.slide_store import SlideStore

store, registration, recipe, shards = sys.argv[1:]

def advance(done, total):
    assert total == 4
    if done == int(shards):
        os.kill(os.getpid(), signal.SIGKILL)

pair = MarkedPair.seen(
    SlideStore(Path(store)), SlideStore(Path(store)), Registration.load(Path(registration)),
    load_recipe(Path(recipe)), load_ontology("cervix"),
)
label_marker(pair, device=torch.device("cpu"), advance=advance)
"""
# Density that eosin shares with DAB passes for brown: the H&E slide is its own restained twin.
_RECIPE = """
key: FAINT
title: What is hardly brown
targets:
  - {class: epithelium, chromogen: dab, compartment: cytoplasm, lowest_od: 0.05, highest_od: 0.06}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_killed_half_way_it_goes_on_to_the_same_bytes(
    four_shard_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(_RECIPE, "utf8")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    digests = []
    for killed in (False, True):
        folder = tmp_path / str(killed)
        path = Path(shutil.copytree(four_shard_store, folder / four_shard_store.name))
        placed = PlacedSlide.of_store(SlideStore(path))
        same = SlideTransform(placed, placed, np.eye(2, 3))
        registration = Registration(same, believable(placed))
        registration.save(folder / "registration.npz")
        if killed:
            words = (path, folder / "registration.npz", tmp_path / "recipe.yaml", 2)
            assert _run(*map(str, words)).returncode == -9
            assert recipe.label not in SlideStore(path).labels
        store, cervix = SlideStore(path), load_ontology("cervix")
        own = MarkedPair.seen(store, store, registration, recipe, cervix)
        label = label_marker(own, device=CPU)
        assert len(np.unique(label.read_all())) == 3
        digests.append(_digest(path))
    assert digests[0] == digests[1]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _RUN, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _digest(store: Path) -> str:
    files = sorted(f for f in store.rglob("*") if f.is_file())
    parts = [f.relative_to(store).as_posix().encode() + f.read_bytes() for f in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()
