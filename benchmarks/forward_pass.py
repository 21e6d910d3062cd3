"""The bare forward pass of a bundle's network: seconds per tile, by the quickest way found.

Nothing is read, blended or written: this is the time below which no program falls that asks the
same network about as many tiles.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.models.bundle import load_bundle, load_network
from pathoai.models.export_onnx import export_onnx
from pathoai.models.onnx_model import open_onnx_model
from pathoai.models.probability_network import ProbabilityNetwork

Tiles = NDArray[np.uint8]
_BATCHES = (1, 4)
_DEVICE_BATCH = 32
_LASTING_S = 45
"""How long the quickest way is timed: what a machine does for seconds it does not for minutes."""


def seconds_per_tile(folder: str, tiles: str, runtime: str, device: str, half: bool) -> float:
    """Of the tiles ``(N, 3, S, S)`` uint8 in a ``.npy`` file, read beforehand.

    Args:
        folder: Of the bundle.
        tiles: The file.
        runtime: ``torch`` or ``onnx``; on a CPU both by threads that take tiles each for itself,
            and by threads that share one batch.
        device: ``cpu``, ``cuda`` …
        half: Whether torch computes in bfloat16.
    """
    images = np.load(tiles)
    if device != "cpu":
        return _on_device(folder, images, device, half=half)
    cores = os.cpu_count() or 1
    apart, together = (_asked(folder, runtime, threads=n) for n in (1, cores))
    ways = [
        partial(_rate, images, at_once, batch, ask)
        for at_once, ask in ((cores, apart), (1, together))
        for batch in _BATCHES
    ]
    quickest = min(ways, key=lambda way: way())
    begun, rates = time.perf_counter(), list[float]()
    while time.perf_counter() - begun < _LASTING_S:
        rates.append(quickest())
    return statistics.mean(rates)


def _asked(folder: str, runtime: str, *, threads: int) -> Callable[[Tiles], object]:
    """A function that asks the network about a batch with so many threads."""
    bundle = load_bundle(Path(folder))
    network = load_network(Path(folder), bundle, torch.device("cpu"))
    if runtime == "onnx":
        path = Path(folder).with_name(f"bare-{os.getpid()}.onnx")
        export_onnx(bundle, network, path)
        model = open_onnx_model(path, threads=threads)
        path.unlink()
        return lambda batch: model.run(batch)
    whole = ProbabilityNetwork(bundle, network)
    return partial(_by_torch, whole, threads)


def _by_torch(whole: ProbabilityNetwork, threads: int, batch: Tiles) -> object:
    torch.set_num_threads(threads)
    images = torch.from_numpy(batch).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return whole(images)


def _rate(images: Tiles, at_once: int, batch: int, ask: Callable[[Tiles], object]) -> float:
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(ask, batches[:at_once]))
        start = time.perf_counter()
        list(pool.map(ask, batches))
        return (time.perf_counter() - start) / len(images)


def _on_device(folder: str, images: Tiles, device: str, *, half: bool) -> float:
    bundle, place = load_bundle(Path(folder)), torch.device(device)
    whole = ProbabilityNetwork(bundle, load_network(Path(folder), bundle, place))
    batch = torch.from_numpy(images[:_DEVICE_BATCH]).to(place)
    rounds = 50
    with torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=half):
        for _ in range(5):
            whole(batch)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(rounds):
            whole(batch)
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / rounds / len(batch)
