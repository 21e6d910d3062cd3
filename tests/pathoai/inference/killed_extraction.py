"""Kills extractions of features at random moments and lets them go on; writes the outcome as JSON.

A process of its own, which imports once and forks: loading torch takes longer than a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from pathoai.inference.extract_features import FeatureExtractor, extract_features
from pathoai.models.encoder_weights import load_encoder
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from tests.pathoai.made_encoders import tiny_encoder

_CPU = torch.device("cpu")


def main() -> None:
    """Compare the features of every interrupted run with those that were made in one go."""
    store, folder, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    encoder = tiny_encoder(folder)
    spec, moments = TileSpec(16, 0.5), random.Random(0)
    network = load_encoder(encoder, _CPU)
    # Large batches of small tiles: many shards, and each chunk of pixels decoded few times.
    extractor = FeatureExtractor(encoder, network, _CPU, spec, batch_size=256)

    whole = _copied(store, folder / "whole")
    start = time.monotonic()
    os.waitpid(_forked(whole, extractor), 0)
    seconds, expected = time.monotonic() - start, _digest(whole)
    killed, different, shards = 0, [], []
    while killed < kills:
        path = _copied(store, folder / "killed")
        if _killed(path, extractor, moments.uniform(0, seconds)):
            killed += 1
            shards.append(sum(f.is_file() for f in path.rglob("features/c/*/*")))
            os.waitpid(_forked(path, extractor), 0)
            if _digest(path) != expected:
                different.append(killed)
        shutil.rmtree(path.parent)
    found = {"killed": killed, "different": different, "shards_when_killed": shards}
    (folder / "found.json").write_text(json.dumps(found), "utf8")


def _copied(store: Path, folder: Path) -> Path:
    return Path(shutil.copytree(store, folder / store.name))


def _forked(path: Path, extractor: FeatureExtractor) -> int:
    """Start a run in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        extract_features(SlideStore(path), extractor)
        code = 0
    finally:
        os._exit(code)


def _killed(path: Path, extractor: FeatureExtractor, after_s: float) -> bool:
    """Start a run and kill it; False where it had ended before."""
    child = _forked(path, extractor)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _digest(path: Path) -> str:
    """SHA-256 over names and bytes of all files of a store, and of what lies beside it."""
    digest = hashlib.sha256()
    for file in sorted(f for f in path.parent.rglob("*") if f.is_file()):
        digest.update(file.relative_to(path.parent).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
