"""Registration of generated twins whose true map is known: every rotation, damages, wrong pairs.

    OMP_NUM_THREADS=1 python benchmarks/registration_twins.py --out twins.md --kept FOLDER

A section in H&E and the same restained, turned, moved, bent, mirrored or not, become stores and are
registered. Error is the distance from where a point of the tissue is carried to where it lies. The
tables are written after each group; what was found of a pair is kept in a folder, so that a run
that was ended goes on. Rotations come last: they are most of it.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measure import machine
from numpy.typing import NDArray

from pathoai.errors import AlignmentError
from pathoai.geometry import Mpp
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.register_pair import register_pair
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, paint_region, plan_slide
from pathoai.testing.ihc_twin import TwinPainter, TwinTruth, plan_ihc_twin
from pathoai.testing.twin_recipe import TwinOptions
from pathoai.tiling.spec import TileSpec

_MARKERS = ("AE1AE3", "MKI67", "CD3CD20", "HER2", "P40COLIV", "ER")
_SECTIONS = 6
_SMALL_UM = (800.0, 500.0)
_PAIRS_OF_A_SIZE = 18
# Median error that an alignment is for: labels of single cells need it.
_WANTED_UM = 1.0
_POINTS = 4000


@dataclass(frozen=True)
class Case:
    """One pair.

    Args:
        group: The row of the report it belongs to.
        number: Within the group.
        section: Number of the H&E slide.
        twin_of: Number of the section that was restained: the same, or another for a wrong pair.
        options: How the twin differs.
        side_um: Height of the slides; they are a fifth wider.
    """

    group: str
    number: int
    section: int
    twin_of: int
    options: TwinOptions
    side_um: float

    @property
    def is_wrong(self) -> bool:
        """Whether the slides show two sections."""
        return self.section != self.twin_of

    @property
    def file(self) -> str:
        """Name of what is kept of it."""
        words = "".join(c if c.isalnum() else "-" for c in self.group)
        return f"{words}-{self.number:03}-{self.side_um:g}.npz"


@dataclass(frozen=True)
class Found:
    """What came of a pair.

    Args:
        case: The pair.
        refused: Why no alignment was believed; empty where one was.
        all_um: (N,) errors of points on tissue that has a counterpart, µm.
        believed_um: The same where the tile is believed.
        tiles: (T, 2): share of each tile with tissue that has no counterpart; 1 where refused.
    """

    case: Case
    refused: str
    all_um: NDArray[np.float64]
    believed_um: NDArray[np.float64]
    tiles: NDArray[np.float64]

    @property
    def good(self) -> bool:
        """Whether the pair was registered as well as labels need."""
        return not self.refused and float(np.median(self.all_um)) <= _WANTED_UM

    def save(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        part = path.with_suffix(".part.npz")
        planes = {"all_um": self.all_um, "believed_um": self.believed_um, "tiles": self.tiles}
        np.savez_compressed(part, refused=self.refused, **planes)
        part.rename(path)

    @classmethod
    def load(cls, path: Path, case: Case) -> Found:
        """What was kept."""
        with np.load(path) as kept:
            planes = (kept[name] for name in ("all_um", "believed_um", "tiles"))
            return cls(case, str(kept["refused"]), *planes)


def cases(step_degrees: int, side_um: float) -> Iterator[Case]:
    """All pairs, group by group, rotations last."""

    def options(number: int, **more: object) -> TwinOptions:
        rng = np.random.default_rng([number, 8])
        usual: TwinOptions = {
            "marker": _MARKERS[number % len(_MARKERS)],
            "translation_um": tuple(rng.uniform(-60, 60, 2)),
            "warp_um": 12.0,
            "seed": number,
            "rotation_degrees": float(rng.uniform(0, 360)),
        }
        return usual | more

    others: dict[str, list[dict[str, object]]] = {
        "scanned at ×0.25 to ×4": [{"scale": s} for s in (0.25, 0.4, 0.5, 0.8, 1.25, 2.0, 4.0)],
        "30 % of the scan left off": [{"partial": 0.3}] * 8,
        "bent more: 30 µm": [{"warp_um": 30.0}] * 8,
        "bent in waves of 250 µm": [{"warp_um": 6.0, "wavelength_um": 250.0}] * 8,
        "2 tears": [{"tears": 2}] * 8,
        "2 folds": [{"folds": 2}] * 8,
    }
    for place, (group, changes) in enumerate(others.items()):
        for number, change in enumerate(changes):
            section = number % _SECTIONS
            changed = options(1000 * (place + 1) + number, **change)
            yield Case(group, number, section, section, changed, side_um)
    sizes = {"": side_um} | {f" of {1.2 * side:g} × {side:g} µm": side for side in _SMALL_UM}
    for place, (size, side) in enumerate(sizes.items()):
        for number in range(_PAIRS_OF_A_SIZE if size else 0):
            section, mirrored = number % _SECTIONS, bool(number % 2)
            right = options(30_000 + 1000 * place + number, mirrored=mirrored)
            yield Case(f"sections{size}", number, section, section, right, side)
        for number in range(20):
            other = (number + 1 + number // _SECTIONS) % _SECTIONS
            wrong = options(9000 + 1000 * place + number, mirrored=bool(number % 2))
            yield Case(f"wrong pairs{size}", number, number % _SECTIONS, other, wrong, side)
    angles = np.arange(0, 360, step_degrees)
    for number, (mirrored, angle) in enumerate((m, a) for m in (False, True) for a in angles):
        group = f"{'mirrored, ' if mirrored else ''}turned in steps of {step_degrees}°"
        turned = options(20_000 + number, rotation_degrees=float(angle), mirrored=mirrored)
        yield Case(group, number, number % _SECTIONS, number % _SECTIONS, turned, side_um)


class Sections:
    """The H&E slides and their stores."""

    def __init__(self, folder: Path, mpp: float, side_um: float) -> None:
        """Plan and paint them."""
        folder.mkdir()
        self.folder, self.mpp = folder, mpp
        width, height = round(side_um * 1.2 / mpp), round(side_um / mpp)
        recipes = [
            SlideRecipe(
                width=width,
                height=height,
                mpp=mpp,
                seed=100 + number,
                organ="cervix" if number % 3 == 2 else "breast",
            )
            for number in range(_SECTIONS)
        ]
        self.truths = [plan_slide(recipe) for recipe in recipes]
        self.stores = [self._painted(number, truth) for number, truth in enumerate(self.truths)]

    def _painted(self, number: int, truth: SlideTruth) -> SlideStore:
        pixels = paint_region(truth, 0, 0, truth.recipe.width, truth.recipe.height)
        return store_of(pixels, self.mpp, self.folder / f"SECTION{number}.zarr")


def store_of(pixels: NDArray[np.uint8], mpp: float, path: Path) -> SlideStore:
    """Make the store of a picture."""
    reader = MemoryReader(pixels, mpp=Mpp.square(mpp), slide_id=path.stem)
    settings = TilingSettings(TileSpec(mpp=mpp, size_px=128), mpp=mpp, quality=85)
    return tile_slide(SlideSource(lambda: reader), path, settings)


def run(case: Case, sections: Sections) -> Found:
    """Register a pair and compare with the truth."""
    twin = plan_ihc_twin(sections.truths[case.twin_of], **case.options)
    pixels = TwinPainter(twin).paint(0, 0, *twin.transform.twin_px)
    nothing = np.zeros(0), np.zeros(0), np.zeros((0, 2))
    with tempfile.TemporaryDirectory(dir=sections.folder) as folder:
        moving = store_of(pixels, twin.mpp, Path(folder) / "TWIN.zarr")
        try:
            registration = register_pair(
                sections.stores[case.section], moving, device=torch.device("cpu")
            )
        except AlignmentError as error:
            return Found(case, str(error), *nothing)
    if case.is_wrong:
        return Found(case, "", *nothing)
    all_um, believed_um = errors(registration, twin)
    return Found(case, "", all_um, believed_um, gone_and_refused(registration, twin))


def errors(
    registration: Registration, twin: TwinTruth
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors at random points of tissue that has a counterpart, and at those that are believed."""
    recipe, layout = twin.source.recipe, twin.source.layout
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (_POINTS * 3, 2)) * [recipe.width, recipe.height]
    on_tissue = layout.value(layout.tissue, *points.T) > 0
    true = twin.to_twin(points)
    there = ((true >= 0) & (true < twin.transform.twin_px)).all(axis=1)
    whole = np.ones(len(points), dtype=bool)
    for damage in twin.damages:
        whole &= damage.depth(points) <= 0
    chosen = np.flatnonzero(on_tissue & there & whole)[:_POINTS]
    carried = registration.transform.to_moving_px(points[chosen])
    missed = np.linalg.norm(carried - true[chosen], axis=1) * twin.mpp
    quality = registration.quality
    column, row = (points[chosen] * recipe.mpp // quality.tile_um).astype(int).T
    believed = quality.state[row, column] == TileState.BELIEVABLE
    return missed, missed[believed]


def gone_and_refused(registration: Registration, twin: TwinTruth) -> NDArray[np.float64]:
    """Per tile with tissue: share of it without a counterpart, and whether it is refused."""
    recipe, layout, quality = twin.source.recipe, twin.source.layout, registration.quality
    gone = twin.gone_mask(0, 0, recipe.width, recipe.height)
    y, x = np.mgrid[: recipe.height, : recipe.width] + 0.5
    tissue = (layout.value(layout.tissue, x.ravel(), y.ravel()) > 0).reshape(gone.shape)
    rows, columns = ((v * recipe.mpp // quality.tile_um).astype(int) for v in (y, x))
    tile = rows * quality.state.shape[1] + columns
    count = np.bincount(tile[tissue], minlength=quality.state.size)
    share = np.bincount(tile[tissue & gone], minlength=quality.state.size) / np.maximum(count, 1)
    state = quality.state.ravel()
    # What the registration does not call tissue is not offered as a label either.
    filled = count > 0.25 * np.bincount(tile.ravel(), minlength=quality.state.size)
    return np.stack([share, state != TileState.BELIEVABLE], axis=1)[filled]


def main() -> None:
    """Register all pairs and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument(
        "--kept",
        type=Path,
        required=True,
        help="folder for what was found of each pair; pairs that it holds already are not "
        "registered again, so take an empty one for another state of the code, and for other "
        "options than --step-degrees and --only",
    )
    parser.add_argument("--mpp", type=float, default=1.0, help="of the H&E slides")
    parser.add_argument("--side-um", type=float, default=1200.0, help="height of the slides")
    parser.add_argument("--step-degrees", type=int, default=5)
    parser.add_argument("--only", help="only groups whose name holds this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.kept.mkdir(parents=True, exist_ok=True)
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="pathoai-twins-") as folder:
        sections = functools.cache(
            lambda side_um: Sections(Path(folder) / f"{side_um:g}", options.mpp, side_um)
        )
        of_all = cases(options.step_degrees, options.side_um)
        for group, of_group in itertools.groupby(of_all, key=lambda case: case.group):
            if options.only and options.only not in group:
                continue
            for case in of_group:
                kept = options.kept / case.file
                if not kept.exists():
                    run(case, sections(case.side_um)).save(kept)
                found.append(Found.load(kept, case))
                print(said(found[-1]), flush=True)
            options.out.write_text(report(found, options.mpp, options.side_um), encoding="utf-8")
            print(f"wrote {group} to {options.out}", flush=True)


def said(one: Found) -> str:
    """One line for who waits."""
    if one.refused or not one.all_um.size:
        what = one.refused.splitlines()[0] if one.refused else "registered"
    else:
        what = "median {:.2f}, p90 {:.2f} µm".format(*np.percentile(one.all_um, [50, 90]))
    turn = one.case.options["rotation_degrees"]
    return f"{one.case.group}, {turn:.0f}°, {one.case.options['marker']}: {what}"


def report(found: list[Found], mpp: float, side_um: float) -> str:
    """The tables."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.case.group, []).append(one)
    right = {group: f for group, f in groups.items() if not f[0].case.is_wrong}
    damaged = ("tears", "folds", "left off")
    return _TEXT.format(
        machine=machine(["numpy", "scipy", "torch"]),
        size=f"{1.2 * side_um:g} × {side_um:g} µm at {mpp:g} µm per pixel",
        rows="\n".join(_accuracy(group, of_group) for group, of_group in right.items()),
        tiles="\n".join(
            _tiles(group, of_group)
            for group, of_group in right.items()
            if any(word in group for word in damaged)
        ),
        wrong="\n".join(
            f"| {group} | {sum(bool(one.refused) for one in of_group)} of {len(of_group)} |"
            for group, of_group in groups.items()
            if group not in right
        ),
        wanted=_WANTED_UM,
        failures="".join(f"\n- {said(one)}" for one in found if _failed(one)) or "\nnone",
    )


def _failed(one: Found) -> bool:
    """Whether a pair came out otherwise than it should."""
    return not one.refused if one.case.is_wrong else not one.good


def _accuracy(group: str, found: list[Found]) -> str:
    """A row: how many were registered, and how well."""
    good = sum(one.good for one in found)
    errors_um = np.concatenate([one.all_um for one in found])
    believed = np.concatenate([one.believed_um for one in found])
    share = believed.size / max(1, errors_um.size)
    cells = [
        " / ".join(f"{value:.2f}" for value in (*np.percentile(v, [50, 90]), v.max()))
        if v.size
        else "–"
        for v in (errors_um, believed)
    ]
    return f"| {group} | {good} of {len(found)} | {cells[0]} | {share:.1%} | {cells[1]} |"


def _tiles(group: str, found: list[Found]) -> str:
    """A row: which tiles were refused, by how much of their tissue has no counterpart."""
    tiles = np.concatenate([one.tiles for one in found])
    share, refused = tiles.T
    cells = []
    for low, high in ((0.5, 1.01), (0.1, 0.5), (1e-9, 0.1), (-1.0, 1e-9)):
        chosen = refused[(share >= low) & (share < high)]
        cells.append(f"{chosen.mean():.1%} of {chosen.size}" if chosen.size else "–")
    return f"| {group} | {' | '.join(cells)} |"


_TEXT = """# Registration of generated twins

{machine}; one thread. Sections of {size} unless said otherwise, six of each size, breast and
cervix; of each a restained twin, moved by up to 60 µm and bent by up to 12 µm unless said
otherwise, with one of six markers. It ran beside other work, and holds no times.

*registered*: believed, and the median error is at most {wanted:g} µm. Errors are those of random
points on tissue that is on both slides, µm, median / 90th percentile / largest over all points of
all pairs; *believed* are those in tiles that the registration itself believes.

| twins | registered | error, all tissue | believed | error, believed |
|---|---|---|---|---|
{rows}

Tiles that are refused, by the share of their tissue that is torn, folded or not on the twin's scan:

| twins | half or more | a tenth to half | less | none |
|---|---|---|---|---|
{tiles}

Two different sections of one size, taken for a pair:

| pairs | refused |
|---|---|
{wrong}

Otherwise than it should be:
{failures}
"""

if __name__ == "__main__":
    main()
