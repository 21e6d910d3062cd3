"""Restained twins registered and labelled on a device and on the CPU: how alike, at which ratio.

python benchmarks/device_labels.py --device cuda --out benchmarks/results/device_labels.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from device_report import Report, seconds_of
from measure import machine
from numpy.typing import NDArray
from registration_twins import errors, store_of

from pathoai.ihc.recipe import load_recipe
from pathoai.ihc.write_labels import label_marker
from pathoai.ontology import load_ontology
from pathoai.registration.register_pair import register_pair
from pathoai.registration.saved_registration import Registration
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai.testing.ihc_twin import TwinPainter, TwinTruth, plan_ihc_twin

_MARKERS = ("AE1AE3", "MKI67", "P40COLIV")
# The coarse search takes maxima, so a bit of the last place may choose another start; what is left
# after the fine steps is what counts.
_ALIKE_UM = 0.5
_ALIKE_SHARE = 0.01
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Pair:
    """A slide in H&E and the same restained, turned and bent.

    Args:
        fixed: The H&E slide's store.
        again: The same once more: a finished label is not made a second time.
        moving: The twin's.
        twin: Its truth.
    """

    fixed: SlideStore
    again: SlideStore
    moving: SlideStore
    twin: TwinTruth


def made(folder: Path, marker: str, side_px: int, number: int) -> Pair:
    """Generate a pair."""
    truth = plan_slide(SlideRecipe(side_px, side_px, mpp=0.5, seed=200 + number, organ="breast"))
    twin = plan_ihc_twin(
        truth, marker=marker, rotation_degrees=50.0 + 90 * number, warp_um=12.0, seed=number
    )
    pixels = paint_region(truth, 0, 0, side_px, side_px)
    moved = TwinPainter(twin).paint(0, 0, *twin.transform.twin_px)
    name = f"FIXED{number}.zarr"
    fixed, again = (store_of(pixels, 0.5, folder / place / name) for place in ("cpu", "device"))
    return Pair(fixed, again, store_of(moved, 0.5, folder / f"MOVING{number}.zarr"), twin)


def registered(pair: Pair, device: torch.device) -> tuple[Registration, float]:
    """The registration, and its seconds after a first run."""
    kept: list[Registration] = []

    def register() -> None:
        kept.append(register_pair(pair.fixed, pair.moving, device=device))

    seconds = seconds_of(register, device, repeats=1)
    return kept[-1], seconds


def labelled(
    fixed: SlideStore, pair: Pair, registration: Registration, marker: str, device: torch.device
) -> NDArray[np.uint8]:
    """The label of a marker."""
    label = label_marker(
        fixed,
        pair.moving,
        registration,
        load_recipe(marker),
        load_ontology("breast"),
        device=device,
    )
    return label.read_all()


def compare(pair: Pair, marker: str, device: torch.device, report: Report) -> Sequence[str]:
    """One row: a pair on both."""
    (on_cpu, cpu_s), (on_device, device_s) = (registered(pair, d) for d in (_CPU, device))
    points = np.random.default_rng(0).uniform(0.2, 0.8, (4000, 2)) * pair.twin.source.recipe.width
    apart = np.linalg.norm(
        on_cpu.transform.to_moving_px(points) - on_device.transform.to_moving_px(points), axis=1
    )
    apart_um = float(np.median(apart) * pair.twin.mpp)
    missed = [float(np.median(errors(one, pair.twin)[0])) for one in (on_cpu, on_device)]
    first = labelled(pair.fixed, pair, on_cpu, marker, _CPU)
    second = labelled(pair.again, pair, on_cpu, marker, device)
    differing = float((first != second).mean())
    report.check(f"{marker}: both alignments within {_ALIKE_UM} µm", apart_um <= _ALIKE_UM)
    report.check(f"{marker}: labels differ in under 1 %", differing < _ALIKE_SHARE)
    return (
        marker,
        f"{missed[0]:.2f}",
        f"{missed[1]:.2f}",
        f"{apart_um:.3f}",
        f"{cpu_s / device_s:.1f}",
        f"{differing:.4%}",
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=4096, help="of a slide, pixels of 0.5 µm")
    options = parser.parse_args()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    report = Report(options.out, "Labels on a device", f"{name}; {machine(['torch'])}")
    head = ("marker", "CPU: µm", "device: µm", "apart, µm", "CPU s / device s", "labels differ")

    def pairs() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for number, marker in enumerate(_MARKERS):
                pair = made(Path(folder), marker, options.side, number)
                row = compare(pair, marker, device, report)
                report.table(
                    f"{marker}: median error of the registration, and how alike", head, [row]
                )

    report.run("registration and labels", pairs)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
