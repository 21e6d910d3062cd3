"""Batches decoded ahead of the step are those that the loader would have decoded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.device_feed import Decode, DeviceFeed
from pathoai_training.data.instance_data import InstanceDataModule

StudyMaker = Callable[..., Study]
PATIENTS = tuple(f"P{i:015d}" for i in range(4))


def module(
    study: Study,
    decode: Decode,
    *,
    kind: type[StoreDataModule] = StoreDataModule,
    **changes: object,
) -> StoreDataModule:
    values: dict[str, object] = {
        "study": study.path,
        "classes": ("nucleus",),
        "label": "annotation/generator",
        "spec": TileSpec(64, 0.5, 16, 0.1),
        "batch_size": 3,
        "train_stride_px": 24,
        "steps_per_epoch": 4,
        "decode": decode,
    }
    data = kind(**(values | changes))  # type: ignore[arg-type]  # checked by running
    data.setup()
    return data


@pytest.mark.parametrize("kind", [StoreDataModule, InstanceDataModule])
def test_the_feed_gives_what_the_loader_gives(
    make_study: StudyMaker, kind: type[StoreDataModule]
) -> None:
    """Tiles of several slides in a batch, at any place, in the same order, epoch by epoch."""
    study = make_study(*PATIENTS, compression="jpeg")
    loader = module(study, "cpu", kind=kind)
    feed = module(study, "device", kind=kind)
    for subset in ("train", "val", "test"):
        expected = getattr(loader, f"{subset}_dataloader")()
        found = getattr(feed, f"{subset}_dataloader")()
        assert isinstance(found, DeviceFeed)
        assert not isinstance(expected, DeviceFeed)
        assert len(found) == len(expected)
        for _ in range(2):
            for ours, theirs in zip(found, expected, strict=True):
                assert len(ours) == len(theirs)
                assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert feed.record()["decoded_on"] == loader.record()["decoded_on"] == "cpu"


def test_workers_hand_over_the_same(make_study: StudyMaker) -> None:
    study = make_study(*PATIENTS, compression="jpeg")
    alone = module(study, "device").train_dataloader()
    shared = module(study, "device", workers=1).train_dataloader()
    for ours, theirs in zip(shared, alone, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_tiles_that_must_be_resampled_are_decoded_by_the_loader(make_study: StudyMaker) -> None:
    """On the CPU ``auto`` never hands over; ``device`` says why it cannot."""
    study = make_study(*PATIENTS, compression="jpeg")
    assert not isinstance(module(study, "auto").train_dataloader(), DeviceFeed)
    coarse = module(study, "device", spec=TileSpec(64, 0.7, 16, 0.1))
    with pytest.raises(InvalidValueError, match=r"data\.decode.*undecoded.*scale of the tiles"):
        coarse.train_dataloader()
    lossless = module(make_study(*PATIENTS, name="lossless"), "device")
    with pytest.raises(InvalidValueError, match="chunks are blosc-zstd"):
        lossless.train_dataloader()
