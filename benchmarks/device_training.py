"""Training on a GPU: fed with undecoded chunks, beside the same model fed by OpenSlide's workers.

python benchmarks/device_training.py REAL.svs --slide slide.svs --out device_training.md

Store → decode → augment → step, in bf16. How busy the GPU is, is said twice: by NVML's samples, and
as the time that the same steps take on a batch that lies there already, by the time they took.
Targets are made on the device from the pixels (dark or not), so labels cost nothing here.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from device_report import Report
from gpu_utilisation import Utilisation
from mirrored_slide import mirrored_slide
from torch import nn
from torch.utils.data import DataLoader, Dataset
from training_tiles import ChunkBatches, OpenSlideTiles, Origins

from pathoai.models.unet import UNet
from pathoai.preprocess import nvjpeg
from pathoai.preprocess.device_batch import BatchDecoder, decoded_ahead
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.stage_clock import StageClock, unmeasured
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views

_DARK = 0.65


@dataclass(frozen=True)
class Case:
    """A model and what it learns from.

    Args:
        name: In the report.
        model: Makes the network.
        size_px: Side of its tiles.
        batch: Tiles per step.
        dense: It says something of each pixel, not of the tile.
        anywhere: Tiles lie anywhere, not on the grid of chunks.
    """

    name: str
    model: Callable[[], nn.Module]
    size_px: int
    batch: int
    dense: bool
    anywhere: bool


@dataclass(frozen=True)
class Bench:
    """What all parts need."""

    device: torch.device
    slide: Path
    store: SlideStore
    workers: int
    seconds: float
    report: Report

    def origins(self, case: Case) -> Origins:
        """Places of tiles with tissue, in an order by chance, enough for some passes."""
        layout, generator = self.store.header.layout[0], np.random.default_rng(0)
        wanted = chunks_with_tissue(self.store.tissue, self.store.grid(), layout)
        places = np.argwhere(wanted)[:, ::-1].astype(np.int64) * layout.chunk_px
        passes = [generator.permutation(places) for _ in range(40)]
        origins = np.concatenate(passes)
        if case.anywhere:
            origins += generator.integers(0, layout.chunk_px, origins.shape)
        return origins


class Training:
    """A model and its step: augment, forward, loss, backward, update."""

    def __init__(self, case: Case, device: torch.device) -> None:
        """With weights by chance, the same for every feed."""
        torch.manual_seed(0)
        self._case, self._device = case, device
        self._model = case.model().to(device, memory_format=torch.channels_last)
        fused = device.type == "cuda"
        self._optimiser = torch.optim.AdamW(self._model.parameters(), 1e-4, fused=fused)
        self._augmentation = Augmentation()
        self._generator = torch.Generator().manual_seed(0)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """One step; returns the loss, on the device."""
        targets = (images.float().mean(1) < 255 * _DARK).to(torch.uint8)
        views = Views(images.shape[-1], (0.5,))
        images, targets = self._augmentation((images, targets), self._generator, views)
        batch = images.to(memory_format=torch.channels_last).float().div_(255).sub_(0.5).div_(0.25)
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16):
            found = self._model(batch)
            if self._case.dense:
                loss = nn.functional.cross_entropy(found, targets.long())
            else:
                label = (targets.float().mean((1, 2)) > 0.5).long()
                loss = nn.functional.cross_entropy(found, label)
        loss.backward()
        self._optimiser.step()
        return loss.detach()


def _synchronised(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Rate:
    """What a stretch of training gave."""

    tiles_per_s: float
    step_ms: float
    waiting: float
    """Share of the time in which the training thread waited for a batch."""
    gpu: str
    loss: float


def trained(bench: Bench, case: Case, batches: Iterable[torch.Tensor], warm_up: int) -> Rate:
    """Train for the bench's seconds after some steps."""
    training, source = Training(case, bench.device), iter(batches)
    loss = torch.zeros(())
    for _ in range(warm_up):
        loss = training.step(next(source))
    steps, waited = 0, 0.0
    with Utilisation(bench.device) as gpu:
        start = _synchronised(bench.device)
        while time.perf_counter() - start < bench.seconds:
            before = time.perf_counter()
            images = next(source, None)
            waited += time.perf_counter() - before
            if images is None:
                break
            loss = training.step(images)
            steps += 1
        spent = _synchronised(bench.device) - start
    return Rate(
        steps * case.batch / spent, 1e3 * spent / steps, waited / spent, str(gpu), float(loss)
    )


def _loader(dataset: Dataset[object], batch: int | None, bench: Bench, workers: int) -> DataLoader:  # type: ignore[type-arg]  # a script
    return DataLoader(
        dataset,
        batch_size=batch,
        num_workers=workers,
        pin_memory=bench.device.type == "cuda",
        # A forked child would share the parent's use of the GPU; spawned ones would each take
        # seconds to import torch, sixteen at once a minute.
        multiprocessing_context="forkserver" if workers else None,
        drop_last=batch is not None,
        prefetch_factor=4 if workers else None,
    )


def chunk_feed(
    bench: Bench, case: Case, clock: StageClock | None, origins: Origins
) -> Iterator[torch.Tensor]:
    """Batches by our store: read undecoded by a few workers, decoded on the device."""
    dataset = ChunkBatches(bench.store.path, origins, case.batch, case.size_px)
    workers = min(4, bench.workers)
    loader = _loader(dataset, None, bench, workers)
    with ThreadPoolExecutor(bench.workers) as pool:
        decoder = BatchDecoder(bench.device, pool, unmeasured if clock is None else clock.stage)
        for images, _ in decoded_ahead(loader, decoder):
            yield images


def openslide_feed(bench: Bench, case: Case, origins: Origins) -> Iterator[torch.Tensor]:
    """Batches by OpenSlide in as many worker processes as there are cores."""
    dataset = OpenSlideTiles(bench.slide, origins, case.size_px)
    for images in _loader(dataset, case.batch, bench, bench.workers):
        yield images.to(bench.device, non_blocking=True)


def resident(bench: Bench, case: Case, origins: Origins) -> Iterator[torch.Tensor]:
    """One batch that lies on the device already, again and again: the ceiling."""
    dataset = ChunkBatches(bench.store.path, origins, case.batch, case.size_px)
    images = BatchDecoder(bench.device).decode(dataset[0][0])
    while True:
        yield images


def feed_alone(
    bench: Bench, case: Case, origins: Origins, warm_up: int
) -> tuple[float, StageClock]:
    """Tiles a second that the chunk feed gives where nobody trains, and its stages."""
    clock = StageClock(bench.device)
    with closing(chunk_feed(bench, case, clock, origins)) as source:
        for _ in range(warm_up):
            next(source)
        clock.seconds.clear()
        tiles, start = 0, _synchronised(bench.device)
        while time.perf_counter() - start < bench.seconds / 2:
            tiles += len(next(source))
        return tiles / (_synchronised(bench.device) - start), clock


def exactness(bench: Bench, case: Case, origins: Origins) -> None:
    """What the device decodes and gathers, beside what the store reads on the CPU."""
    batch = ChunkBatches(bench.store.path, origins, min(64, case.batch), case.size_px)[0][0]
    decoder = BatchDecoder(bench.device)
    found = decoder.decode(batch).cpu().numpy().astype(np.int16)
    pixels = bench.store.read_tiles(0, origins[: batch.count], case.size_px)
    apart = np.abs(found - pixels.transpose(0, 3, 1, 2))
    there = [decoder.on_device(group.kind) for group in batch.groups]
    bench.report.line(
        f"{case.name}: {len(batch.groups[0].ends)} chunks make {batch.count} tiles, decoded on the "
        f"device: {there}; largest {apart.max()}, mean {apart.mean():.3f} grey levels apart"
    )
    limit = nvjpeg.LARGEST_DIFFERENCE if any(there) else 0
    bench.report.check(f"{case.name}: pixels of the feed are the store's", apart.max() <= limit)


def run(bench: Bench, case: Case) -> None:
    """One model with each feed."""
    origins, warm_up = bench.origins(case), 10 if bench.device.type == "cuda" else 1
    exactness(bench, case, origins)
    alone, clock = feed_alone(bench, case, origins, warm_up)
    parts = ", ".join(f"{name} {spent:.2f} s" for name, spent in clock.seconds.items())
    bench.report.line(f"{case.name}: the feed alone gives {alone:,.0f} tiles/s ({parts})")
    rates: dict[str, Rate] = {}
    feeds = {
        "on the device already": lambda: resident(bench, case, origins),
        "undecoded chunks": lambda: chunk_feed(bench, case, None, origins),
        f"OpenSlide, {bench.workers} workers": lambda: openslide_feed(bench, case, origins),
    }
    for name, feed in feeds.items():
        with closing(feed()) as batches:
            rates[name] = trained(bench, case, batches, warm_up)
        bench.report.line(f"{case.name}, {name}: {rates[name]}")
    ceiling = rates["on the device already"].step_ms
    rows = [
        [
            name,
            f"{rate.tiles_per_s:,.0f}",
            f"{rate.step_ms:.1f}",
            f"{ceiling / rate.step_ms:.0%}",
            rate.gpu,
            f"{rate.waiting:.0%}",
        ]
        for name, rate in rates.items()
    ]
    head = ["fed from", "tiles/s", "ms a step", "of the ceiling", "GPU busy (NVML)", "waiting"]
    bench.report.table(case.name, head, rows)
    busy = ceiling / rates["undecoded chunks"].step_ms
    bench.report.line(f"{case.name}: the feed keeps the GPU {busy:.0%} busy (goal 90 %)")


def _unet(small: bool) -> Callable[[], nn.Module]:
    if small:
        return lambda: UNet(classes=2, width=8)
    try:
        import segmentation_models_pytorch as smp

        return lambda: smp.Unet("resnet34", encoder_weights=None, classes=2)  # type: ignore[no-any-return]  # untyped
    except ImportError:
        return lambda: UNet(classes=2, width=32)


def _vit(small: bool) -> Callable[[], nn.Module]:
    import timm

    name = "vit_tiny_patch16_224" if small else "vit_small_patch16_224"
    return lambda: timm.create_model(name, pretrained=False, num_classes=2)  # type: ignore[no-any-return]  # untyped


def through_lightning(bench: Bench, folder: Path) -> None:
    """The U-Net by StoreDataModule and our trainer, beside the same on one resident batch."""
    from lightning_feed import fed, study_of  # workers, which import this script, do without

    small, study = bench.device.type == "cpu", study_of(bench.store, folder)
    network: tuple[str, dict[str, Any]] = ("smp", {"decoder": "unet", "encoder": "resnet34"})
    rates = {
        name: fed(
            study,
            bench.device,
            mpp=bench.store.mpp,
            batch=4 if small else 128,
            workers=0 if small else min(4, bench.workers),
            seconds=bench.seconds,
            architecture=("unet", {"width": 4, "depth": 1}) if small else network,
            resident=name == "on the device already",
        )
        for name in ("on the device already", "store, data.decode=device")
    }
    ceiling, found = rates.values()
    rows = [
        [name, f"{r.tiles_per_s:,.0f}", f"{r.step_ms:.1f}", f"{ceiling.step_ms / r.step_ms:.0%}"]
        for name, r in rates.items()
    ]
    head = ["fed from", "tiles/s", "ms a step", "of the ceiling"]
    bench.report.table("U-Net through StoreDataModule and Lightning", head, rows)
    bench.report.line(
        f"StoreDataModule, decoded on {found.decoded_on}: {found.tiles_per_s:,.0f} tiles/s, "
        f"{ceiling.step_ms / found.step_ms:.0%} of the ceiling"
    )


def cases(small: bool) -> dict[str, Case]:
    """The two recipes' models; the second both on the grid of chunks and anywhere."""
    unet, vit = (4, 4) if small else (128, 256)
    return {
        "unet": Case("U-Net, ResNet-34, 256 px", _unet(small), 256, unet, True, False),
        "vit": Case("ViT-S/16, 224 px", _vit(small), 224, vit, False, False),
        "anywhere": Case("ViT-S/16, 224 px, anywhere", _vit(small), 224, vit, False, True),
    }


def main() -> None:
    """Make the store, then train each model with each feed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("--slide", type=Path, help="made by mirrored_slide.py; made here if absent")
    parser.add_argument("--side", type=int, default=28_672, help="of the slide made here")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=6, help="of each stretch of training")
    parser.add_argument(
        "--cases",
        type=lambda text: text.split(","),
        default=["unet", "vit", "anywhere", "lightning"],
        help="some of unet,vit,anywhere,lightning",
    )
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    options = parser.parse_args()
    device, small = torch.device(options.device), options.device == "cpu"
    if not small:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
    with tempfile.TemporaryDirectory() as folder:
        slide = options.slide or Path(folder) / "slide.svs"
        if not slide.exists():
            mirrored_slide(options.real, slide, options.side)
        with closing(open_slide(slide)) as reader:
            mpp = reader.info.mpp.mean * 1.0001
        source = SlideSource(lambda: open_slide(slide, slide_id="S"), slide)
        settings = TilingSettings(mpp=mpp, device=options.device, workers=options.workers)
        store = tile_slide(source, Path(folder) / "S.zarr", settings)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        about = f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch "
        report = Report(options.out, "Training on a device", about + torch.__version__)
        report.line(f"the store was made on {store.header.made_on}")
        bench = Bench(device, slide, store, options.workers, options.seconds, report)
        known = cases(small)
        for key in options.cases:
            if key in known:
                report.run(known[key].name, lambda key=key: run(bench, known[key]))  # type: ignore[misc]  # a script
        if "lightning" in options.cases:  # last: it moves the store into a study
            report.run("Lightning", lambda: through_lightning(bench, Path(folder) / "study"))
        report.finish()


if __name__ == "__main__":
    main()
