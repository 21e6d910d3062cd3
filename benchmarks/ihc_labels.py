"""Labels from restained twins held to their truth, beside usual thresholds on the same pixels.

    OMP_NUM_THREADS=1 python benchmarks/ihc_labels.py --out benchmarks/results/ihc_labels.md

For every marker that a generated twin can show: Dice of the label where it is trusted, how much of
what is wrong the trust mask catches, how much of what is right it keeps. Beside it, on all tissue
and on the same pixels brought over by the same transform: a fixed threshold of DAB by QuPath's
default vectors, and scikit-image's rgb2hed with Otsu's threshold, per slide and per tile. The last
columns are a slide without a positive cell: the share of its tissue that each calls positive.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color, filters

from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import MarkerRecipe, load_recipe
from pathoai.ihc.trust import Trust
from pathoai.ihc.warp import MovingCells, warped
from pathoai.ihc.write_labels import label_marker, label_unmasked
from pathoai.ontology import NOT_ASSESSED, Ontology, load_ontology
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.stain.stain_matrix import stain_matrix
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.saved_registration import Registration
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.testing.ihc_staining import MARKERS
from pathoai.testing.ihc_twin import TwinPainter, TwinTruth, plan_ihc_twin
from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid
from pathoai.testing.slide_truth import Organ
from pathoai.testing.true_registration import true_registration
from pathoai.tiling.spec import TileSpec

_CPU = torch.device("cpu")
_TILE_PX = 256
# QuPath's default vectors for H-DAB, and the usual threshold of its cell detection, decadic.
_QUPATH_HEMATOXYLIN = (0.651, 0.701, 0.290)
_QUPATH_DAB = (0.269, 0.568, 0.778)
_QUPATH_OD = 0.2
_Mask = NDArray[np.bool_]
_Picture = NDArray[np.float32]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--markers", nargs="+", default=list(MARKERS))
    parser.add_argument("--seeds", type=int, default=2, help="slides for each marker")
    parser.add_argument("--side", type=int, default=2048, help="of a slide, pixels of 0.5 µm")
    parser.add_argument(
        "--snap", action="store_true", help="label whole nuclei of the H&E slide: nuclear markers"
    )
    options = parser.parse_args()
    rows: list[_Row] = []
    for marker in options.markers:
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                organ: Organ = "cervix" if marker == "P16" else "breast"
                recipe = SlideRecipe(
                    options.side, options.side, mpp=0.5, seed=seed + 3, organ=organ
                )
                found = _measured(Path(folder), recipe, _recipe(marker, snaps=options.snap))
            rows += found
            print(*found, sep="\n", flush=True)
    options.out.write_text(_report(rows, options.side, snaps=options.snap), encoding="utf-8")
    print(f"wrote {options.out}")


@dataclass(frozen=True)
class _Row:
    """What was found of one target on one slide; shares from 0 to 1."""

    marker: str
    target: str
    seed: int
    trusted: float
    caught: float
    kept: float
    dice: dict[str, float]
    false_share: dict[str, float]


def _recipe(marker: str, *, snaps: bool) -> MarkerRecipe:
    """The shipped recipe, or the same with its first target snapped to nuclei."""
    recipe = load_recipe(marker)
    if not snaps:
        return recipe
    first, *others = recipe.targets
    return replace(recipe, targets=(replace(first, snap_to_nuclei=True), *others))


def _measured(folder: Path, slide: SlideRecipe, recipe: MarkerRecipe) -> list[_Row]:
    source = generate_slide(folder / "he.svs", slide)
    fixed = _stored(folder / "he.svs", folder / "A000000000000000.zarr", "h-and-e")
    twin = plan_ihc_twin(source, marker=recipe.key, seed=slide.seed)
    pair = _Pair.made(folder, "twin", fixed, twin, load_ontology(slide.organ))
    label, unmasked = pair.label(recipe), pair.unmasked(recipe)
    trust = fixed.label(recipe.trust_label).read_all()
    tissue, trusted = trust != NOT_ASSESSED, trust == Trust.TRUSTED
    false_share = _false_shares(folder, pair, recipe, tissue)
    rows = []
    for target in recipe.targets:
        index = pair.ontology[target.class_key].index
        truth = pair.truth(target.chromogen)
        wrong = tissue & ((unmasked == index) != truth)
        right = tissue & ~wrong
        peers = {name: find(pair.picture(), tissue) for name, find in _PEERS.items()}
        # The peers know brown alone.
        known = peers if target.chromogen == "dab" else {}
        rows.append(
            _Row(
                recipe.key,
                target.class_key,
                slide.seed,
                _dice(label == index, truth, trusted),
                float((wrong & ~trusted).sum() / max(1, wrong.sum())),
                float((right & trusted).sum() / max(1, right.sum())),
                {"pathoai": _dice(unmasked == index, truth, tissue)}
                | {name: _dice(mask, truth, tissue) for name, mask in known.items()},
                false_share if target.chromogen == "dab" else {},
            )
        )
    return rows


def _false_shares(
    folder: Path, pair: _Pair, recipe: MarkerRecipe, tissue: _Mask
) -> dict[str, float]:
    """Share of the tissue called positive on a twin without a positive cell; empty for none."""
    marker = MARKERS[recipe.key]
    if marker.red is not None or marker.compartment == "cytoplasm":
        return {}  # these bind tissue, whatever the cells
    cells = {key: np.zeros_like(bound) for key, bound in pair.twin.cells.items()}
    twin = replace(pair.twin, cells=cells)
    negative = _Pair.made(folder, "negative", pair.fixed, twin, pair.ontology)
    found, picture = negative.unmasked(recipe), negative.picture()
    shares = {"pathoai": float(_positive(found)[tissue].mean())}
    return shares | {
        name: float(find(picture, tissue)[tissue].mean()) for name, find in _PEERS.items()
    }


@dataclass(frozen=True, eq=False)
class _Pair:
    fixed: SlideStore
    moving: SlideStore
    twin: TwinTruth
    registration: Registration
    ontology: Ontology

    @classmethod
    def made(
        cls, folder: Path, name: str, fixed: SlideStore, twin: TwinTruth, ontology: Ontology
    ) -> _Pair:
        """Paint a twin and store it."""
        path = folder / f"{name}.svs"
        _paint(path, twin)
        moving = _stored(path, folder / f"{name.upper():0>16}.zarr", "ihc")
        return cls(fixed, moving, twin, true_registration(fixed, moving, twin), ontology)

    def seen(self, recipe: MarkerRecipe) -> MarkedPair:
        """What is known of both before a pixel is labelled."""
        return MarkedPair.seen(self.fixed, self.moving, self.registration, recipe, self.ontology)

    def label(self, recipe: MarkerRecipe) -> NDArray[np.uint8]:
        """The trusted label."""
        return label_marker(self.seen(recipe), device=_CPU).read_all()

    def unmasked(self, recipe: MarkerRecipe) -> NDArray[np.uint8]:
        """The label, whether trusted or not."""
        return label_unmasked(self.seen(recipe), device=_CPU).read_all()

    def truth(self, chromogen: str) -> _Mask:
        """Where an antibody binds, on the raster of the H&E slide."""
        size = self.fixed.grid().size_px
        key: Any = chromogen
        return self.twin.positive_mask(0, 0, size.width, size.height, chromogen=key)

    def picture(self) -> _Picture:
        """The twin on the raster of the H&E slide, ``(H, W, 3)``, 0 to 1."""
        grid = self.fixed.grid()
        rows, columns = slice(0, grid.size_px.height), slice(0, grid.size_px.width)
        cells = MovingCells.of_window(self.registration.transform, grid, rows, columns)
        wanted = np.ones((rows.stop, columns.stop), bool)
        found = warped(self.moving, cells, self.fixed.mpp, wanted, _CPU)
        return found.permute(1, 2, 0).numpy()


def _positive(label: NDArray[np.uint8]) -> _Mask:
    return (label != 0) & (label != NOT_ASSESSED)


def _paint(path: Path, twin: TwinTruth) -> None:
    recipe, (width, height) = twin.source.recipe, twin.transform.twin_px
    description = PyramidDescription(
        width=width,
        height=height,
        mpp=twin.mpp,
        vendor=recipe.vendor,
        objective_power=recipe.magnification,
        code="TWIN",
    )
    write_pyramid(path, description=description, paint=TwinPainter(twin).paint)


def _stored(slide: Path, path: Path, tissue: str) -> SlideStore:
    settings = TilingSettings(TileSpec(256, 0.5), mpp=0.5, tissue_method=tissue)
    source = SlideSource(lambda: open_slide(slide, slide_id=path.stem), slide)
    return tile_slide(source, path, settings)


def _dice(found: _Mask, truth: _Mask, where: _Mask) -> float:
    both = int((found & truth & where).sum())
    return 2 * both / max(1, int((found & where).sum() + (truth & where).sum()))


def _qupath(picture: _Picture, tissue: _Mask) -> _Mask:
    """QuPath's fixed threshold of DAB, after its Gaussian of one pixel."""
    matrix = stain_matrix((_QUPATH_HEMATOXYLIN, _QUPATH_DAB))
    density = -np.log10(np.maximum(picture, 1 / 255))
    dab = (density @ np.linalg.inv(matrix))[..., 1]
    return np.asarray(ndimage.gaussian_filter(dab, 1.0) > _QUPATH_OD) & tissue


def _otsu_of_slide(picture: _Picture, tissue: _Mask) -> _Mask:
    dab = color.rgb2hed(picture)[..., 2]
    return np.asarray(dab > filters.threshold_otsu(dab[tissue])) & tissue


def _otsu_of_tiles(picture: _Picture, tissue: _Mask) -> _Mask:
    dab = color.rgb2hed(picture)[..., 2]
    found = np.zeros_like(tissue)
    for top in range(0, len(dab), _TILE_PX):
        for left in range(0, dab.shape[1], _TILE_PX):
            place = np.s_[top : top + _TILE_PX, left : left + _TILE_PX]
            inside = dab[place][tissue[place]]
            if len(inside) and np.ptp(inside) > 0:
                found[place] = dab[place] > filters.threshold_otsu(inside)
    return found & tissue


_PEERS: dict[str, Callable[[_Picture, _Mask], _Mask]] = {
    "fixed DAB 0.2 (QuPath's vectors)": _qupath,
    "rgb2hed + Otsu of the slide": _otsu_of_slide,
    "rgb2hed + Otsu of each tile": _otsu_of_tiles,
}


def _report(rows: list[_Row], side: int, *, snaps: bool) -> str:
    names = ["pathoai", *_PEERS]

    def table(found: dict[str, dict[str, float]], form: str) -> list[str]:
        return [
            f"| marker | class | slide | {' | '.join(names)} |",
            f"|---|---|---|{'---|' * len(names)}",
            *(
                f"| {place} | "
                + " | ".join(format(shares[n], form) if n in shares else "" for n in names)
                + " |"
                for place, shares in found.items()
                if shares
            ),
        ]

    places = {f"{r.marker} | {r.target} | {r.seed}": r for r in rows}
    lines = [
        "# Labels from restained twins" + (", snapped to nuclei of the H&E slide" if snaps else ""),
        "",
        f"Generated slides of {side} px at 0.5 µm, true transform. Goals: Dice where trusted ≥ "
        "0.95; the trust mask catches ≥ 95 % of what is wrong and keeps ≥ 80 % of what is right.",
        "",
        "| marker | class | slide | Dice where trusted | wrong caught | right kept |",
        "|---|---|---|---|---|---|",
        *(
            f"| {place} | {r.trusted:.3f} | {r.caught:.1%} | {r.kept:.1%} |"
            for place, r in places.items()
        ),
        "",
        "Dice on all tissue, nothing masked; the peers know brown alone:",
        "",
        *table({place: r.dice for place, r in places.items()}, ".3f"),
        "",
        "Share of the tissue called positive on a twin without a positive cell:",
        "",
        *table({place: r.false_share for place, r in places.items()}, ".2%"),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
