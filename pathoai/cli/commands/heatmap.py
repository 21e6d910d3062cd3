"""``pathoai heatmap``: a figure for a paper, of one slide with one of its maps."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError, StorageError
from pathoai.progress import progress_bar

if TYPE_CHECKING:  # these are heavy, and needed only once the command runs
    from pathoai.geometry import Region
    from pathoai.heatmap.heatmap import Heatmap
    from pathoai.provenance import ProvenanceRecord
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

_SUFFIXES = (".png", ".pdf")
_WAYS = "classes, probability, entropy, mutual_information, outlines, density or attention"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("slide", metavar="SLIDE", help="code of the slide, or how only it begins")
    parser.add_argument(
        "--map", metavar="NAME", help="such as prediction/MODEL (default: the only)"
    )
    parser.add_argument("--show", metavar="WAY", help=f"{_WAYS} (default: what suits the map)")
    parser.add_argument(
        "--class", dest="class_key", metavar="KEY", help="its probability; or only this class"
    )
    parser.add_argument("--region", metavar="X,Y,W,H", help="a part, in level-0 pixels")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--dpi", type=float, metavar="N", help="pixels per inch (default: 300)")
    size.add_argument("--width-px", type=int, metavar="N", help="width of the whole figure")
    size.add_argument("--mpp", type=float, metavar="UM", help="µm per pixel of the picture")
    parser.add_argument(
        "--opacity", type=float, default=0.5, metavar="X", help="of the map, 0 to 1 (default: .5)"
    )
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="of all words")
    parser.add_argument(
        "--keep-glass", action="store_true", help="show glass as scanned, not white"
    )
    parser.add_argument("--grey-slide", action="store_true", help="show the slide in grey")
    parser.add_argument(
        "--no-locator", action="store_true", help="do not show where the region lies"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a .png or .pdf (default: in STUDY/figures)"
    )
    parser.add_argument("--force", action="store_true", help="replace an older figure")


def run(options: Namespace) -> None:
    from pathoai.heatmap.heatmap import draw_heatmap
    from pathoai.provenance import utc_now
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.read_only import OUT, is_writable, refuse_read_only
    from pathoai.study.study import Study

    started = utc_now()
    if options.out is not None:
        _check_suffix(options.out)
    region, study = _region(options.region), Study(options.study)
    store = SlideStore(study.store_path(study.cohort.named(options.slide).slide_id))
    heatmap = _heatmap(options, region, study, store)
    target = options.out or _default_target(study, store.slide_id, heatmap)
    if options.out is None:
        refuse_read_only(target.parent, "the figure", OUT)
    _check_target(target, replace=options.force)
    with progress_bar(f"drawing {store.slide_id}") as advance:
        kind = target.suffix.lower().removeprefix(".")
        figure = draw_heatmap(study, store, heatmap, kind, advance=advance)
    _write(target, figure, store, replace=options.force)
    records = study.provenance_path
    record = _record(study, store, heatmap, figure, started)
    record.write(records if is_writable(records) else target.parent)
    print(f"{target.name}: {heatmap.choice.name}, {heatmap.choice.resolved_way(store)}")


def _heatmap(options: Namespace, region: Region | None, study: Study, store: SlideStore) -> Heatmap:
    from pathoai.heatmap.heatmap import Heatmap
    from pathoai.heatmap.map_choice import MapChoice, chosen_map
    from pathoai.heatmap.page import Resolution

    name = chosen_map(study, store, options.map)
    return Heatmap(
        MapChoice(name, options.show, options.class_key),
        region,
        Resolution(options.dpi, options.width_px, options.mpp),
        options.opacity,
        options.language,
        options.keep_glass,
        options.grey_slide,
        not options.no_locator,
    )


def _region(text: str | None) -> Region | None:
    from pathoai.geometry import Region

    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidValueError(
            "malformed region",
            where="--region",
            found=repr(text),
            allowed="X,Y,W,H: four numbers in level-0 pixels",
        ) from None
    return Region(x, y, width, height)


def _default_target(study: Study, slide_id: str, heatmap: Heatmap) -> Path:
    """In the study, where an erasure of the slide finds it."""
    choice, region = heatmap.choice, heatmap.region
    parts = [choice.name.replace("/", "."), choice.way, choice.class_key]
    if region is not None:
        parts += [f"{v:g}" for v in (region.x, region.y, region.width, region.height)]
    name = "-".join(part for part in parts if part)
    return study.figures_path(slide_id) / f"{name}.png"


def _check_suffix(target: Path) -> None:
    if target.suffix.lower() not in _SUFFIXES:
        raise InvalidValueError(
            "a figure is a PNG or a PDF",
            where="--out",
            found=target.suffix or target.name,
            allowed=", ".join(_SUFFIXES),
        )


def _check_target(target: Path, *, replace: bool) -> None:
    """Before the work: nothing is drawn that could not be kept."""
    if target.is_dir() or (target.exists() and not replace):
        raise InvalidValueError(
            "something lies where the figure should go",
            where=target.name,
            remedy="choose another name with --out, or replace it with --force",
        )


def _write(target: Path, figure: bytes, store: SlideStore, *, replace: bool) -> None:
    from pathoai.atomic_file import write_bytes_atomically
    from pathoai.store.new_target import new_target

    try:
        if replace:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(target, figure)
            return
        with new_target(target, outside=store.path) as path:
            path.write_bytes(figure)
    except OSError as error:
        raise StorageError(
            "the figure cannot be written",
            where=target.name,
            found=error.strerror or type(error).__name__,
            remedy="choose another folder with --out, or make room",
        ) from error


def _record(
    study: Study, store: SlideStore, heatmap: Heatmap, figure: bytes, started: str
) -> ProvenanceRecord:
    import hashlib
    from dataclasses import asdict

    from pathoai.heatmap.heatmap import map_source
    from pathoai.provenance import ProvenanceRecord, utc_now

    source = map_source(study, store, heatmap.choice)
    inputs = {f"store/{store.slide_id}": store.identity}
    inputs |= {k.removesuffix("_sha256"): v for k, v in source.items() if k == "model_sha256"}
    outputs = {f"figures/{store.slide_id}": hashlib.sha256(figure).hexdigest()}
    return ProvenanceRecord("heatmap", asdict(heatmap), inputs, outputs, started, utc_now())


COMMAND = Command(
    "heatmap",
    "draw a figure for a paper: a map over its slide, with scale bar and legend",
    "pathoai heatmap my-study 01234 --map prediction/breast-nuclei-segmentation --out figure.pdf",
    configure,
    run,
)
