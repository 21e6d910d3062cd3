"""Several opinions: averaged as defined, refused where unlike, stored with their differences."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import ModelError
from pathoai.inference.ensemble import Member
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.models.architecture import build_network
from pathoai.models.bundle import INSTANCE_SEGMENTATION
from pathoai.models.uncertainty import mutual_information, relative_entropy
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.slide_store import SlideStore
from pathoai.store.verify_store import find_damage
from pathoai.tiling.spec import TileSpec
from tests.pathoai.inference.killed_prediction import KilledError, kill_after_one_shard


@pytest.fixture
def tiles() -> NDArray[np.uint8]:
    return np.random.default_rng(8).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture
def other(predictor: Predictor) -> Member:
    """A member of the same kind with other weights."""
    torch.manual_seed(1)
    network = build_network("unet", classes=3, arguments=predictor.bundle.arguments).eval()
    return Member(replace(predictor.bundle, name="other"), network)


@pytest.fixture
def store(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    path = tmp_path / "a" / two_shard_store.name
    return SlideStore(Path(shutil.copytree(two_shard_store, path)))


def _of(member: Member, predictor: Predictor, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    return replace(predictor, bundle=member.bundle, network=member.network).probabilities(tiles)


def test_members_are_averaged_and_what_they_differ_by_is_known(
    predictor: Predictor, other: Member, tiles: NDArray[np.uint8]
) -> None:
    alone = [predictor.probabilities(tiles), _of(other, predictor, tiles)]
    together = replace(predictor, others=(other,)).probabilities(tiles)
    assert together.shape == (3, 4, 64, 64)
    np.testing.assert_allclose(together[:, :3], np.mean(alone, axis=0), atol=1e-6)
    members = np.stack(alone).transpose(0, 1, 3, 4, 2).reshape(2, -1, 3)
    among = mutual_information(members) / np.log(3)
    found = relative_entropy(together[:, :3], axis=1) - together[:, 3]
    np.testing.assert_allclose(found.ravel(), among, atol=1e-5)
    assert among.max() > 0.01


def test_eight_symmetries_are_averaged(predictor: Predictor, tiles: NDArray[np.uint8]) -> None:
    """By the definition: each turned copy is predicted, and its answer turned back."""
    turned = replace(predictor, turned=True).probabilities(tiles)
    total = np.zeros((3, 3, 64, 64))
    for mirrored in (1, -1):
        for quarters in range(4):
            copy = np.rot90(tiles[:, :, ::mirrored], quarters, (1, 2))
            answer = predictor.probabilities(np.ascontiguousarray(copy))
            total += np.rot90(answer, -quarters, (2, 3))[..., ::mirrored]
    np.testing.assert_allclose(turned[:, :3], total / 8, atol=1e-6)


def test_a_turned_tile_gets_the_turned_answer(
    predictor: Predictor, tiles: NDArray[np.uint8]
) -> None:
    turned = replace(predictor, turned=True)
    straight = turned.probabilities(tiles)
    copy = np.ascontiguousarray(np.rot90(tiles[:, :, ::-1], 1, (1, 2)))
    expected = np.rot90(straight[..., ::-1], 1, (2, 3))
    np.testing.assert_allclose(turned.probabilities(copy), expected, atol=1e-5)


def test_what_cannot_be_averaged_is_refused(predictor: Predictor, other: Member) -> None:
    bundle = other.bundle
    changes = {
        "classes": replace(bundle, classes=("background", bundle.classes[2], bundle.classes[1])),
        "spec": replace(bundle, spec=TileSpec(64, 1.0)),
        "ontology": replace(bundle, ontology="cervix"),
        "task": replace(bundle, task=INSTANCE_SEGMENTATION),
    }
    for field, changed in changes.items():
        with pytest.raises(ModelError, match=f"same {field}"):
            replace(predictor, others=(replace(other, bundle=changed),))
    with pytest.raises(ModelError, match="twice"):
        replace(predictor, others=(Member(predictor.bundle, predictor.network),))


def test_a_model_of_an_older_ontology_is_averaged_too(predictor: Predictor, other: Member) -> None:
    """Versions add classes and never change one, so both mean the same by theirs."""
    older = replace(other.bundle, ontology_version="0.2")
    assert older.ontology_version != predictor.bundle.ontology_version
    both = replace(predictor, others=(replace(other, bundle=older),))
    assert len(both.ensemble.members) == 2
    assert older.class_indices(predictor.ontology) == other.bundle.class_indices(predictor.ontology)


def test_one_opinion_stores_its_entropy(store: SlideStore, predictor: Predictor) -> None:
    label = predict_slide(store, predictor)
    assert label.uncertainty_channels == ("entropy",)
    stored = np.asarray(label.probability()) / 255
    all_classes = np.concatenate([1 - stored.sum(axis=0, keepdims=True), stored]).clip(0, 1)
    seen = label.read_all() != NOT_ASSESSED
    found = np.asarray(label.uncertainty())[0] / 255
    # Stored probabilities are rounded; where one is small, entropy is steep.
    clear = seen & (all_classes.min(axis=0) > 0.05)
    assert clear.sum() > 1000
    np.testing.assert_allclose(found[clear], relative_entropy(all_classes, 0)[clear], atol=0.02)
    assert not found[~seen].any()
    assert label.about["members"] == {"tiny": predictor.bundle.identity}
    assert label.about["test_time_augmentation"] == "none"


def test_a_shard_counts_as_done_with_all_its_planes(
    store: SlideStore, predictor: Predictor, other: Member, tmp_path: Path
) -> None:
    """Each plane's file lost in turn: the run goes on to the same bytes."""
    many = replace(predictor, others=(other,))
    label = predict_slide(store, many)
    assert label.uncertainty_channels == ("entropy", "mutual_information")
    assert np.asarray(label.uncertainty())[1].any()
    assert set(label.about["members"]) == {"tiny", "other"}
    assert not find_damage(store.path)
    folder = store.path / "labels" / "prediction.tiny"

    for plane in ("0", "probability/0", "uncertainty/0"):
        copy = tmp_path / plane.replace("/", "-") / store.path.name
        shutil.copytree(store.path, copy)
        shutil.rmtree(copy / "labels" / "prediction.tiny")
        again = SlideStore(copy)
        with pytest.raises(KilledError):
            predict_slide(again, many, advance=kill_after_one_shard(again, many))
        found = copy / "labels" / "prediction.tiny"
        (file,) = (f for f in (found / plane / "c").rglob("*") if f.is_file())
        file.unlink()
        predict_slide(again, many)
        for one in folder.rglob("*"):
            if one.is_file():
                assert (found / one.relative_to(folder)).read_bytes() == one.read_bytes()


def test_another_way_of_asking_replaces_the_prediction(
    store: SlideStore, predictor: Predictor
) -> None:
    once = np.asarray(predict_slide(store, predictor).probability())
    label = predict_slide(store, replace(predictor, turned=True))
    assert label.uncertainty_channels == ("entropy", "mutual_information")
    assert label.about["test_time_augmentation"] == "D4"
    assert (np.asarray(label.probability()) != once).any()
