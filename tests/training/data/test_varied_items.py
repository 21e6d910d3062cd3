"""Items that a loader varies: the same for any number of workers, and as the device would."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from pathoai.errors import InvalidValueError
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.augmentation.amounts import Affine, Blur, Colour, Elastic, Noise
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views
from pathoai_training.data.instance_data import InstanceDataModule
from pathoai_training.data.region_data import RegionData
from pathoai_training.sampling.seeded_sampler import batch_generator
from pathoai_training.splits.split import SplitKind

StudyMaker = Callable[..., Study]
PATIENTS = tuple(f"P{i:015d}" for i in range(4))
LOADER = Augmentation(
    affine=Affine(rotation_deg=20, scale=0.1, shift_um=2),
    elastic=Elastic(shift_um=0.5, period_um=8),
    colour=Colour(brightness=0.1, contrast=0.1, saturation=0.1),
    blur=Blur(sigma_um=0.4),
    noise=Noise(levels=8),
    where="loader",
)


def nuclei(study: Study, **changes: object) -> InstanceDataModule:
    values: dict[str, object] = {
        "study": study.path,
        "classes": ("nucleus",),
        "label": "annotation/generator",
        "spec": TileSpec(64, 0.5, 16, 0.1),
        "batch_size": 2,
        "split": SplitKind.AREA,
        "train_stride_px": 32,
        "guard_px": 16,
        "steps_per_epoch": 3,
        "seed": 5,
    }
    data = InstanceDataModule(**(values | changes))  # type: ignore[arg-type]  # checked by running
    data.setup()
    return data


def batches(data: InstanceDataModule | RegionData) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(batch) for batch in data.train_dataloader()]


def test_any_number_of_workers_gives_the_same_pixels(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    here = batches(nuclei(study, augmentation=LOADER))
    apart = batches(nuclei(study, augmentation=LOADER, workers=2))
    assert len(here) == len(apart) == 3
    for one, other in zip(here, apart, strict=True):
        assert all(map(torch.equal, one, other))


def test_the_loader_varies_as_the_device_would(make_study: StudyMaker) -> None:
    study = make_study(PATIENTS[0])
    on_device = replace(LOADER, where="batch")
    read, varied = (batches(nuclei(study, augmentation=a)) for a in (on_device, LOADER))
    for number, (plain, found) in enumerate(zip(read, varied, strict=True)):
        generator = batch_generator(5, number, (0, 1))
        wanted = on_device(plain, generator, Views(64, (0.5,)))
        assert all(map(torch.equal, wanted[1:], found[1:]))
        assert (wanted[0].int() - found[0].int()).abs().float().mean() < 1.5
        assert not torch.equal(plain[1], found[1])


def test_only_training_is_varied(make_study: StudyMaker) -> None:
    data = nuclei(make_study(PATIENTS[0]), augmentation=LOADER)
    loaders = data.val_dataloader(), data.test_dataloader()
    for loader, subset in zip(loaders, ("validation", "test"), strict=True):
        seen = torch.cat([batch[0] for batch in loader])
        tiles = data.dataset(subset)
        assert torch.equal(seen, torch.stack([tiles[i][0] for i in range(len(tiles))]))
    assert data.record()["augmented_by"] == "albumentations 2.0.8, in the loader"


def test_all_views_of_regions_are_varied(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    spec = TileSpec(24, 0.5)

    def regions(augmentation: Augmentation) -> RegionData:
        data = RegionData(
            study=study.path,
            classes=("nucleus_lymphocyte", "nucleus_neoplastic"),
            spec=spec,
            context=(2.0,),
            batch_size=8,
            steps_per_epoch=2,
            augmentation=augmentation,
        )
        data.setup()
        return data

    on_device = replace(LOADER, where="batch")
    plain, found = (batches(regions(a)) for a in (on_device, LOADER))
    for number, (read, varied) in enumerate(zip(plain, found, strict=True)):
        wanted = on_device(read, batch_generator(0, number, (0, 1)), Views(24, (0.5, 1.0)))
        assert varied[0].shape == (8, 2, 3, 24, 24)
        assert torch.equal(varied[1], read[1])
        assert (wanted[0].int() - varied[0].int()).abs().float().mean() < 2
        assert not torch.equal(varied[0], read[0])


def test_what_the_device_decodes_is_not_varied_by_the_loader(make_study: StudyMaker) -> None:
    with pytest.raises(InvalidValueError, match=r"decode: device.*where: loader.*where: batch"):
        nuclei(make_study(PATIENTS[0]), augmentation=LOADER, decode="device")


def test_amounts_must_fit_the_tiles(make_study: StudyMaker) -> None:
    with pytest.raises(InvalidValueError, match=r"shift_um.*tiles of 32 µm"):
        nuclei(make_study(PATIENTS[0]), augmentation=Augmentation(affine=Affine(shift_um=40)))


def test_processes_that_read_load_no_trainer(make_study: StudyMaker, tmp_path: Path) -> None:
    """Lightning takes longer to load than all else that they need."""
    loader = nuclei(make_study(PATIENTS[0]), augmentation=LOADER, workers=1).train_dataloader()
    assert isinstance(loader, DataLoader)
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps((loader.dataset, loader.collate_fn, loader.worker_init_fn)))
    words = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", words, str(sent)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pathoai_training.data.varied_items" in loaded
    assert not {"pytorch_lightning", "lightning_fabric"} & set(loaded)
