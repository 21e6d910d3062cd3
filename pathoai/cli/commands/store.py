"""``pathoai store``: what stores hold, whether they are whole, and copies for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action
from pathoai.cli.slide_options import add_slides
from pathoai.errors import InvalidValueError, StoreError
from pathoai.progress import Advance, progress_bar

if TYPE_CHECKING:  # zarr is heavy, and needed only once the command runs
    from pathoai.store.describe_store import LevelDescription, StoreDescription
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

_PATCHES = "patches-h5"
_SUFFIXES = {"ome-zarr-0.4": ".ome.zarr", "tiff": ".tiff", _PATCHES: ".h5"}

_INFO = "pathoai store info my-study"
_VERIFY = "pathoai store verify my-study --decode"
_EXPORT = "pathoai store export my-study copies --to tiff"


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    info = add_action(words, "info", "say what stores hold and what they weigh", _INFO)
    _configure_choice(info, _info)

    verify = add_action(words, "verify", "list all damage of stores", _VERIFY)
    _configure_choice(verify, _verify)
    verify.add_argument("--decode", action="store_true", help="decode every chunk too")
    _configure_workers(verify)

    export = add_action(words, "export", "write copies that other programs open", _EXPORT)
    _configure_choice(export, _export)
    export.add_argument(
        "out", type=Path, metavar="OUT", help="the file to make; of a study, a folder for them"
    )
    export.add_argument(
        "--to",
        required=True,
        choices=sorted(_SUFFIXES),
        help="tiff for QuPath, OpenSlide and others; ome-zarr-0.4 with labels, for older viewers; "
        "patches-h5 for where tiles lie, as CLAM and TRIDENT read it",
    )
    tiles = export.add_argument_group(f"tiles, for {_PATCHES} alone")
    tiles.add_argument("--tile-size", type=int, metavar="N", help="pixels (default: 256)")
    tiles.add_argument("--tile-mpp", type=float, metavar="MPP", help="their scale (default: 0.5)")
    tiles.add_argument("--overlap", type=int, metavar="N", help="of neighbours (default: 0)")
    _configure_workers(export)


def _configure_choice(parser: ArgumentParser, action: object) -> None:
    parser.add_argument("path", type=Path, metavar="STUDY|STORE", help="a study, or one .zarr")
    add_slides(parser, "only these slides of the study")
    parser.set_defaults(action=action)


def _configure_workers(parser: ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads (default: 2)")


def run(options: Namespace) -> None:
    if getattr(options, "workers", 1) < 1:
        raise InvalidValueError(
            "workers", where="--workers", found=options.workers, allowed="1 or more"
        )
    options.action(options)


@dataclass(frozen=True)
class _Chosen:
    """Stores by name, and the study they are of, if they are of one."""

    paths: dict[str, Path]
    study: Study | None = None

    def each(self, work: Callable[[str, Path], str]) -> None:
        """Do the work for every store, go on past a bad one, and print how each ended."""
        from pathoai.cli.cohort_report import CohortReport
        from pathoai.cluster.work_item import Done, WorkItem, attempt

        def one(name: str, _threads: int | None, _advance: Advance) -> Done:
            return Done(work(name, self.paths[name]))

        report = CohortReport(len(self.paths))
        for name in self.paths:
            report.tell(attempt(WorkItem(name, one, name)))
        report.conclude()


def _chosen(options: Namespace) -> _Chosen:
    """The stores of a study's slides, or the one at the path."""
    from pathoai.cli.each_slide import chosen_slides
    from pathoai.study.study import Study

    path: Path = options.path
    if (path / "zarr.json").exists() or path.suffix == ".zarr":
        if options.slides:
            raise InvalidValueError(
                "only a study has slides to choose from",
                where="--slides",
                remedy="leave it out, or name the study",
            )
        return _Chosen({path.stem: path})
    study = Study(path)
    rows = chosen_slides(study, options.slides)
    return _Chosen({row.slide_id: study.store_path(row.slide_id) for row in rows}, study)


def _info(options: Namespace) -> None:
    from pathoai.store.describe_store import describe_store

    def work(name: str, path: Path) -> str:
        return "\n  ".join(_lines(describe_store(path)))

    _chosen(options).each(work)


def _lines(found: StoreDescription) -> Iterator[str]:
    """What a person wants to know of a store."""
    header = found.attributes.header
    yield "complete" if found.attributes.complete else "not complete: `pathoai tile` goes on"
    copied = ": the slide's own tiles, copied" if header.encoding == "source" else ""
    yield f"encoding   {header.encoding}{copied}"
    yield f"mpp        {header.pixel_mpp.x:g} × {header.pixel_mpp.y:g} µm per pixel"
    slide_mpp = f"{header.slide_mpp_x:g} × {header.slide_mpp_y:g} µm per pixel"
    yield f"slide      {header.slide_width} × {header.slide_height} px, {slide_mpp}"
    for index, level in enumerate(found.levels):
        yield f"level {index}    {_level_line(level)}"
    area = found.tissue_area_mm2
    yield "tissue     " + ("not yet known" if area is None else f"{area:.2f} mm²")
    for name, about in found.labels.items():
        stated = {"origin": "not stated", "status": "not stated"} | dict(about)
        yield f"label      {name}: " + ", ".join(f"{k} {v}" for k, v in stated.items())
    for name in found.unfinished_labels:
        yield f"label      {name}: not finished"
    for name, about in found.features.items():
        yield f"features   {name}: " + ", ".join(f"{k} {v}" for k, v in about.items())
    for name in found.unfinished_features:
        yield f"features   {name}: not finished"
    yield f"damaged    {_damage_line(found)}"
    icc = f"ICC profile {header.icc_sha256[:12]}" if header.icc_sha256 else "no ICC profile"
    yield f"colour     {header.colour}, {icc}"
    yield f"disk       {_bytes(found.file_bytes)} in {found.file_count} files"
    yield f"identity   {found.identity or 'none before the store is complete'}"


def _level_line(level: LevelDescription) -> str:
    layout = level.layout
    size = f"{layout.size_px.width} × {layout.size_px.height} px"
    kind = f"factor {layout.factor}, chunks of {layout.chunk_px} px, {layout.coding.compression}"
    if level.present is None:
        return f"{size}, {kind}, an index is damaged: see `pathoai store verify`"
    per_chunk = f", {_bytes(level.file_bytes / level.present)} each" if level.present else ""
    stored = f"{level.present} of {level.possible} stored{per_chunk}"
    return f"{size}, {kind}, {stored}, {_bytes(level.file_bytes)}"


def _damage_line(found: StoreDescription) -> str:
    damaged = found.attributes.damaged
    if not damaged:
        return "no chunk of the slide"
    header, places = found.attributes.header, []
    for chunk in damaged:
        layout = header.layout[chunk.level]
        corner = header.grid.coarser(layout.factor).region(
            chunk.column * layout.chunk_px, chunk.row * layout.chunk_px, 1, 1
        )
        where = f"level {chunk.level} at level-0 x={corner.x:.0f}, y={corner.y:.0f}"
        places.append(f"{where} ({chunk.reason})")
    return f"{len(damaged)} chunks of the slide: " + "; ".join(places)


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _verify(options: Namespace) -> None:
    from pathoai.store.verify_store import find_damage

    def work(name: str, path: Path) -> str:
        with progress_bar(f"verifying {name}") as advance:
            damage = find_damage(
                path, decode=options.decode, workers=options.workers, advance=advance
            )
        for line in damage:
            print(f"{name}: {line}")
        if damage:
            raise StoreError(
                "the store is damaged",
                where=name,
                found=f"{len(damage)} faults, listed above",
                remedy="make what is damaged again: delete it and run the command that made it",
            )
        return "whole, every chunk decoded" if options.decode else "whole"

    _chosen(options).each(work)


def _export(options: Namespace) -> None:
    wanted = {"--tile-size": options.tile_size, "--tile-mpp": options.tile_mpp}
    given = [n for n, v in (wanted | {"--overlap": options.overlap}).items() if v is not None]
    if given and options.to != _PATCHES:
        raise InvalidValueError(
            "tiles are chosen for patches alone", where=", ".join(given), allowed=f"--to {_PATCHES}"
        )
    chosen = _chosen(options)

    def work(name: str, path: Path) -> str:
        in_study = chosen.study is not None
        target = options.out / f"{name}{_SUFFIXES[options.to]}" if in_study else options.out
        with progress_bar(f"exporting {name}") as advance:
            return _export_one(path, target, options, advance, chosen.study)

    chosen.each(work)


def _export_one(
    path: Path, target: Path, options: Namespace, advance: Advance, study: Study | None
) -> str:
    """Export one store; its name, how it was written, and a provenance record in its study."""
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai.store.export_ome_zarr import export_ome_zarr
    from pathoai.store.export_tiff import export_tiff
    from pathoai.store.slide_store import SlideStore

    started, store = utc_now(), SlideStore(path)
    how = "with its labels"
    if options.to == "tiff":
        levels = export_tiff(store, target, workers=options.workers, advance=advance)
        how = "levels " + ", ".join(levels)
    elif options.to == _PATCHES:
        how = _export_patches(store, target, options)
    else:
        export_ome_zarr(store, target, workers=options.workers, advance=advance)
    if study is not None:
        inputs = {f"store/{store.slide_id}": store.identity}
        record = ProvenanceRecord(
            "store export", {"to": options.to}, inputs, {}, started, utc_now()
        )
        record.write(study.provenance_path)
    return f"{target.name}, {how}"


def _export_patches(store: SlideStore, target: Path, options: Namespace) -> str:
    """Where the tiles with tissue lie."""
    from pathoai.store.new_target import new_target
    from pathoai.tiling.patch_coordinates import PatchCoordinates, write_patch_coordinates
    from pathoai.tiling.spec import TileSpec

    wanted = {
        "size_px": options.tile_size,
        "mpp": options.tile_mpp,
        "overlap_px": options.overlap,
    }
    spec = TileSpec(**{name: value for name, value in wanted.items() if value is not None})
    tiles, info = store.tiles(spec), store.slide
    patches = PatchCoordinates.of_tiles(tiles, store.slide_id, info.size, info.mpp)
    with new_target(target, outside=store.path) as path:
        write_patch_coordinates(path, patches)
    return f"{len(tiles)} tiles of {spec.size_px} px at {spec.mpp:g} µm"


COMMAND = Command(
    "store",
    "look into stores, verify them, or export them for other programs",
    "pathoai store export my-study copies --to tiff",
    configure,
    run,
)
