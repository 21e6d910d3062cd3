"""Peak memory of `register` and `label` on slides of 1, 4 and 16 times the area.

    OMP_NUM_THREADS=1 python benchmarks/registration_memory.py --out results.md

Each size is a generated section and its restained twin, made once below --folder (kept: a run that
was killed goes on); each step runs alone in a fresh process, whose largest resident memory is read.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
from functools import partial
from pathlib import Path

from measure import Cost, cost_of, machine

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

MPP = 0.5
MARKER = "AE1AE3"


def make_pair(folder: Path, side_px: int) -> float:
    """Stores of a section and of its twin, turned by 30° and bent."""
    from pathoai.testing.generated_slide import SlideRecipe, generate_slide
    from pathoai.testing.ihc_twin import generate_ihc_twin

    recipe = SlideRecipe(width=side_px, height=side_px, mpp=MPP, seed=1)
    truth = generate_slide(folder / "he.tif", recipe)
    generate_ihc_twin(
        folder / "ihc.tif", truth, marker=MARKER, rotation_degrees=30.0, warp_um=8.0, seed=2
    )
    for name, tissue in (("he", "h-and-e"), ("ihc", "ihc")):
        reader = partial(open_slide, folder / f"{name}.tif", slide_id=name)
        settings = TilingSettings(TileSpec(mpp=MPP), mpp=MPP, tissue_method=tissue)
        tile_slide(SlideSource(reader, None), folder / f"{name}.zarr", settings)
        (folder / f"{name}.tif").unlink()
    return 0.0


def register(folder: Path) -> float:
    """Align the pair; the share of tiles that is believable."""
    import torch

    from pathoai.registration.register_pair import register_pair

    found = register_pair(*_stores(folder), device=torch.device("cpu"))
    found.save(folder / "pair.npz")
    return found.quality.believable_share


def label(folder: Path) -> float:
    """Write the labels of the H&E slide."""
    import torch

    from pathoai.ihc.marked_pair import MarkedPair
    from pathoai.ihc.recipe import load_recipe
    from pathoai.ihc.write_labels import label_marker
    from pathoai.ontology import load_ontology
    from pathoai.registration.saved_registration import Registration

    found = Registration.load(folder / "pair.npz")
    breast = load_ontology("breast")
    pair = MarkedPair.seen(*_stores(folder), found, load_recipe(MARKER), breast)
    label_marker(pair, device=torch.device("cpu"))
    return found.quality.believable_share


def imports(_: Path) -> float:
    """What any of the steps holds before it begins."""
    for name in ("pathoai.ihc.write_labels", "pathoai.registration.register_pair"):
        importlib.import_module(name)
    return 0.0


def _stores(folder: Path) -> tuple[SlideStore, SlideStore]:
    return SlideStore(folder / "he.zarr"), SlideStore(folder / "ihc.zarr")


def measured(folder: Path, side_px: int) -> dict[str, Cost]:
    """Each step of one size; what an earlier run measured is kept."""
    own = folder / str(side_px)
    own.mkdir(parents=True, exist_ok=True)
    kept = own / "costs.json"
    costs = {k: Cost(**v) for k, v in json.loads(kept.read_text()).items()} if kept.exists() else {}
    for step in (make_pair, imports, register, label):
        if step.__name__ not in costs:
            costs[step.__name__] = cost_of(step, own, *[side_px] * (step is make_pair))
            kept.write_text(json.dumps({k: vars(v) for k, v in costs.items()}))
            print(side_px, step.__name__, costs[step.__name__], flush=True)
    return costs


def main() -> None:
    """Measure all sizes and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--folder", type=Path, help="default: in the temporary folder")
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384, 32768])
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.gettempdir()) / "pathoai-registration-memory"
    rows = []
    for side in options.sides:
        costs = measured(folder, side)
        base, aligned, labelled = (costs[name] for name in ("imports", "register", "label"))
        rows.append(
            f"| {side:,} | {base.peak_mb:.0f} | {aligned.peak_mb:.0f} | {labelled.peak_mb:.0f} | "
            f"{aligned.result:.0%} | {aligned.cpu_s:.0f} | {labelled.cpu_s:.0f} |"
        )
    text = _TEXT.format(machine=machine(["numpy", "scipy", "torch"]), rows="\n".join(rows))
    options.out.write_text(text, encoding="utf-8")
    print(f"wrote {options.out}")


_TEXT = """# Memory of registration and of labels from immunohistochemistry

{machine}; each step in a fresh process. Generated sections at 0.5 µm and their twins, turned by 30°
and bent by 8 µm; marker AE1/AE3. Peak resident memory, imports included.

| side px | imports MB | register MB | label MB | tiles believable | register CPU s | label CPU s |
|---|---|---|---|---|---|---|
{rows}
"""

if __name__ == "__main__":
    main()
