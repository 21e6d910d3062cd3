"""Finding objects in outputs: beside the plain algorithm, and by shards beside all at once.

OMP_NUM_THREADS=1 python benchmarks/nuclei_instances.py --out benchmarks/results/nuclei_instances.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from measure import Cost, machine, medians
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.inference.blocks import Blocks
from pathoai.inference.instances import InstancePolicy, find_instances
from pathoai.inference.object_planes import MARGIN_UM, visible
from pathoai.inference.paint_objects import paint_objects
from pathoai.inference.views import number_block, smallest_px

MPP = 0.5
BLOCK_PX = 2_304
PER_SHARD = 4_500
SLIDE_PX = 4_300
NOISES = (0.0, 0.03)
_POLICY = InstancePolicy()
_SADDLE = 0.999 * _POLICY.saddle

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]


def outputs(side: int, noise: float) -> Outputs:
    """Foreground ``(side, side)`` and map ``(1, side, side)`` of a network, for dense nuclei."""
    rng = np.random.default_rng(0)
    foreground = np.zeros((side, side), np.float32)
    depth = np.zeros((side, side), np.float32)
    for cy, cx, a, b, turn in rng.uniform(
        (0, 0, 5, 5, 0), (side, side, 11, 11, np.pi), (int(PER_SHARD * (side / 2048) ** 2), 5)
    ):
        top, left = max(0, int(cy) - 12), max(0, int(cx) - 12)
        window = np.s_[top : int(cy) + 13, left : int(cx) + 13]
        y, x = np.mgrid[window] - np.array([cy, cx]).reshape(2, 1, 1)
        y, x = y[: side - top, : side - left], x[: side - top, : side - left]
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        inside = 1 - np.hypot(along / a, across / b).astype(np.float32)
        foreground[window] = np.maximum(foreground[window], inside > 0)
        depth[window] = np.maximum(depth[window], inside)
    foreground = ndimage.gaussian_filter(foreground, 1) + rng.normal(0, noise, (side, side))
    depth += rng.normal(0, noise, (side, side)).astype(np.float32)
    return foreground.clip(0, 1).astype(np.float32), depth.clip(0, 1)[None]


def plain(foreground: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.integer]:
    """The definition: summits by reconstruction of the whole block, pixel by pixel."""
    from skimage.morphology import reconstruction, remove_small_holes
    from skimage.segmentation import watershed

    hole = int(_POLICY.largest_hole_um2 / MPP**2)
    mask = remove_small_holes(foreground > _POLICY.foreground, max_size=hole)
    depth_um = (ndimage.distance_transform_edt(mask) * MPP).astype(np.float32)
    height = maps[0] + np.float32(_POLICY.depth_per_um) * depth_um
    height = ndimage.gaussian_filter(height, _POLICY.smoothing_um / MPP)
    left = height - reconstruction(height - _POLICY.saddle, height)
    seeds, count = ndimage.label((left >= _SADDLE) & mask, np.ones((3, 3)))
    pieces, _ = ndimage.label(mask)
    seeds = np.where(mask & ~np.isin(pieces, np.unique(pieces[seeds > 0])), pieces + count, seeds)
    grown = watershed(-height, seeds, mask=mask)
    area = np.bincount(grown.ravel())
    total = np.bincount(grown.ravel(), weights=foreground.ravel())
    keep = (area >= _POLICY.smallest_um2 / MPP**2) & (total >= _POLICY.least_mean * area)
    keep[0] = False
    return np.asarray(np.where(keep, np.cumsum(keep), 0)[grown])


def ours(foreground: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.integer]:
    """What pathoai does."""
    return find_instances(foreground, maps, mpp=MPP)


def nothing(foreground: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.integer]:
    """What it costs to have the outputs."""
    return np.zeros(foreground.shape, np.uint32) + (maps.size == 0)


_WAYS = {"ours": ours, "plain": plain, "the outputs alone": nothing}


def run(way: str, noise: float) -> float:
    """One way on one block, in a process of its own; the sum says whether all found the same."""
    numbers = _WAYS[way](*outputs(BLOCK_PX, noise))
    return float((numbers.astype(np.float64) * np.arange(1, BLOCK_PX + 1)).sum())


def by_shards(noise: float) -> dict[str, float]:
    """Objects of a slide of nine shards, beside those of the slide looked at at once."""
    foreground, maps = outputs(SLIDE_PX, noise)
    channels = np.stack([1 - foreground, foreground, maps[0]])
    whole = number_block(channels, 2, mpp=MPP)
    blocks = Blocks(whole.shape, round(MARGIN_UM / MPP))
    raster = np.zeros_like(whole)
    for shard, numbers in paint_objects(
        lambda s: number_block(channels[:, *blocks.seen(s)], 2, mpp=MPP), blocks, smallest_px(MPP)
    ):
        raster[blocks.ground(shard)] = numbers
    pairs, common = np.unique(np.stack([whole.ravel(), raster.ravel()]), axis=1, return_counts=True)
    area = np.bincount(whole.ravel()), np.bincount(raster.ravel())
    same = (pairs > 0).all(axis=0) & (area[0][pairs[0]] == common) & (area[1][pairs[1]] == common)
    return {
        "at once": float(whole.max()),
        "by shards": float(raster.max()),
        "the same pixels": float(same.sum()),
        "area that lines take": 1 - float(visible(raster).sum() / (raster > 0).sum()),
    }


def report(costs: dict[float, dict[str, Cost]], seams: dict[float, dict[str, float]]) -> str:
    """The page."""
    lines = [
        "# Objects of a shard",
        "",
        machine(["scikit-image", "scipy", "numpy"]),
        "",
        f"`benchmarks/nuclei_instances.py`: a block of {BLOCK_PX:,} px at {MPP} µm with about",
        f"{PER_SHARD:,} nuclei on a shard, outputs with noise of that deviation; medians, runs",
        "interleaved, each in a process of its own. Making the outputs is taken off the times, and",
        "their memory off the peaks.",
        "",
        "| noise | way | CPU s | MB more | objects alike |",
        "|---|---|---|---|---|",
    ]
    for noise, found in costs.items():
        base = found["the outputs alone"]
        for way in ("ours", "plain"):
            cost, alike = found[way], found[way].result == found["plain"].result
            spent, more = cost.cpu_s - base.cpu_s, cost.peak_mb - base.peak_mb
            lines.append(f"| {noise:g} | {way} | {spent:.2f} | {more:.0f} | {alike} |")
    lines += ["", "| noise | plain ÷ ours | goal |", "|---|---|---|"]
    for noise, found in costs.items():
        base = found["the outputs alone"].cpu_s
        ratio = (found["plain"].cpu_s - base) / (found["ours"].cpu_s - base)
        lines.append(f"| {noise:g} | {ratio:.1f} | ≥ 2 |")
    lines += [
        "",
        f"A slide of {SLIDE_PX:,} px, nine shards, beside the same looked at at once:",
        "",
    ]
    names = list(next(iter(seams.values())))
    lines += [f"| noise | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for noise, numbers in seams.items():
        shown = [f"{v:.1%}" if 0 < v < 1 else f"{v:,.0f}" for v in numbers.values()]
        lines.append(f"| {noise:g} | {' | '.join(shown)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    costs = {
        noise: medians({way: (run, (way, noise)) for way in _WAYS}, options.repeats)
        for noise in NOISES
    }
    options.out.write_text(report(costs, {noise: by_shards(noise) for noise in NOISES}), "utf8")


if __name__ == "__main__":
    main()
