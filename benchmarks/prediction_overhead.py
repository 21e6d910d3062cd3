"""What predicting a slide costs besides the network: now, and by the code of another commit.

python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 12288
git archive COMMIT pathoai | tar -x -C OTHER
python benchmarks/prediction_overhead.py slide.svs --other OTHER --out FILE.md

The network is a 1 × 1 convolution of averages (`made_blobs.py`): what `pathoai predict STUDY` costs
with it is the pipeline's own, start included. Both commits take turns on the same study; what they
wrote is compared pixel by pixel. Processor time is what counts here: a machine with a GPU has more
cores and runs the same work beside the network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import Cost, bytes_below, cost_of, machine

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_SIZE_PX, _OVERLAP_PX = 512, 128
_NAME = "blobs"
_PROGRAM = "import sys; from pathoai.cli.main import main; sys.exit(main(sys.argv[1:]))"
_HERE, _BENCHMARKS = Path(__file__).parents[1], Path(__file__).parent


def prepare(slide: str, work: str) -> float:
    """Bundle and study; returns the tiles."""
    from made_blobs import announce, make_blobs

    from pathoai.slide.open_slide import open_slide
    from pathoai.tiling.spec import TileSpec

    folder = Path(work)
    with open_slide(Path(slide)) as reader:
        mpp = reader.info.mpp.mean
    announce(folder / "announced")
    make_blobs(Path(slide), folder, TileSpec(_SIZE_PX, mpp, _OVERLAP_PX))
    study = str(folder / "study")
    for words in (("init", study, "--ontology", "breast"), ("add", study, slide), ("tile", study)):
        subprocess.run(_command(*words), check=True, env=_environment(folder, _HERE))
    shutil.copytree(folder / _NAME, folder / "study" / "models" / _NAME)
    return _count_tiles(folder)


def _count_tiles(folder: Path) -> int:
    from pathoai.inference.label_raster import tissue_tiles
    from pathoai.models.bundle import load_bundle
    from pathoai.store.slide_store import SlideStore

    store = SlideStore(next(folder.glob("study/stores/*.zarr")))
    return int(tissue_tiles(store, load_bundle(folder / _NAME)).wanted.sum())


def different(ours: str, others: str) -> float:
    """How many arrays of the predictions of two studies are not the same, pixel by pixel."""
    import numpy as np
    import zarr

    groups: list[dict[str, Any]] = []
    for study in (ours, others):
        place = next(Path(study).glob(f"stores/*.zarr/labels/prediction.{_NAME}"))
        groups.append(dict(zarr.open_group(place, mode="r").members(max_depth=None)))
    assert groups[0].keys() == groups[1].keys()
    arrays = [key for key, found in groups[0].items() if isinstance(found, zarr.Array)]
    return sum(not np.array_equal(groups[0][key][:], groups[1][key][:]) for key in arrays)


def predict(work: Path, code: Path, out: Path) -> Cost:
    """Predict a copy of the study once by some code; the result is the bytes written."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(work / "study", out)
    before, start = bytes_below(out), time.perf_counter()
    words = ("predict", str(out), "--model", _NAME, "--device", "cpu", "--runtime", "torch")
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            _command(*words), stdout=said, stderr=said, env=_environment(work, code), cwd=work
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read())
    wall_s, cpu_s = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return Cost(wall_s, cpu_s, usage.ru_maxrss / 1024, bytes_below(out) - before)


def start_only(work: Path, code: Path) -> Cost:
    """What the command costs that finds everything done: start, and a look at all hashes."""
    words = (
        "predict",
        str(work / "now"),
        "--model",
        _NAME,
        "--device",
        "cpu",
        "--runtime",
        "torch",
    )
    before = os.times()
    start = time.perf_counter()
    environment = _environment(work, code)
    subprocess.run(_command(*words), check=True, capture_output=True, env=environment, cwd=work)
    after = os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    return Cost(time.perf_counter() - start, cpu_s, 0, 0)


def forward_s(work: str) -> float:
    """Processor seconds per tile of the network with its normalisation and calibration."""
    import torch
    from blobs import Blobs

    from pathoai.models.bundle import load_bundle
    from pathoai.models.probability_network import ProbabilityNetwork

    folder = Path(work) / _NAME
    bundle = load_bundle(folder)
    # Weights of chance take as long, and the architecture is announced to commands only.
    whole = ProbabilityNetwork(bundle, Blobs(classes=len(bundle.classes)).eval())
    torch.set_num_threads(1)
    tile = torch.zeros(1, 3, _SIZE_PX, _SIZE_PX, dtype=torch.uint8)
    images, rounds = tile.to(memory_format=torch.channels_last), 40
    with torch.inference_mode():
        whole(images)
        start = time.process_time()
        for _ in range(rounds):
            whole(images)
    return (time.process_time() - start) / rounds


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, *words]


def _environment(work: Path, code: Path) -> dict[str, str]:
    path = os.pathsep.join(str(p) for p in (code, work / "announced", _BENCHMARKS))
    return {**os.environ, "PYTHONPATH": path, "PATHOAI_VAULT": str(work / "vault")}


def _row(name: str, costs: list[Cost], tiles: int) -> str:
    wall, cpu = (statistics.median(getattr(c, what) for c in costs) for what in ("wall_s", "cpu_s"))
    each = 1000 / tiles
    return (
        f"| {name} | {wall:.1f} | {cpu:.1f} | {wall * each:.1f} | {cpu * each:.1f} "
        f"| {max(c.peak_mb for c in costs):,.0f} | {costs[-1].result / 1e6:,.1f} |"
    )


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--other", type=Path, required=True, help="folder with pathoai/ in it")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        work = Path(folder)
        tiles = int(cost_of(prepare, str(options.slide.absolute()), folder).result)
        codes = {"before": options.other.absolute(), "now": _HERE}
        costs: dict[str, list[Cost]] = {name: [] for name in codes}
        for turn in range(options.repeats):
            for name, code in codes.items():
                costs[name].append(predict(work, code, work / name))
                last = costs[name][-1]
                print(f"{turn + 1}/{options.repeats} {name}: {last}", flush=True)
        changed = int(cost_of(different, str(work / "now"), str(work / "before")).result)
        start = start_only(work, _HERE)
        network = tiles * cost_of(forward_s, folder).result
    lines = [
        "# Predicting a slide: what is not the network",
        "",
        f"{machine(['torch', 'zarr', 'numpy'])}; {tiles:,} tiles of {_SIZE_PX} px every "
        f"{_SIZE_PX - _OVERLAP_PX} px;",
        f"medians of {options.repeats} runs that took turns. The network is a 1 × 1 convolution.",
        "",
        "| code | wall s | CPU s | wall s per 1,000 tiles | CPU s per 1,000 "
        "| peak MB | written MB |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, found, tiles) for name, found in costs.items()),
        "",
        f"- of the CPU seconds, the trivial network itself takes {network:.1f}; start, and a look "
        f"at all hashes, {start.cpu_s:.1f}",
        f"- arrays of the predictions that differ in a pixel: {changed}",
        "",
    ]
    options.out.write_text("\n".join(lines), "utf8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
