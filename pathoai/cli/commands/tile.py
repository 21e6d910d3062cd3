"""``pathoai tile``: slides become stores."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cli.slide_options import add_slides
from pathoai.cli.tiling_options import add_tiling_options, chosen_settings
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.progress import Advance
from pathoai.study.cohort import CohortRow

if TYPE_CHECKING:  # their modules are heavy, and needed only once the command runs
    from pathoai.preprocess.tiling_settings import TilingSettings
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.slide_place import SlidePlace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    add_slides(parser)
    add_tiling_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="reading threads; with --cluster, processes or jobs (default: 2)",
    )
    add_cluster_options(parser)


@dataclass(frozen=True, slots=True)
class TileWork:
    """What a process needs to tile one slide; all paths must be valid where it runs.

    Args:
        place: Where the slide's store will lie.
        row: The slide.
        source: Its file. Only this account's link table knows it, so it is looked up beforehand.
        settings: How it becomes a store; a worker of a cluster has threads of its own.
    """

    place: SlidePlace
    row: CohortRow
    source: Path = field(repr=False)
    settings: TilingSettings


def tile_one(work: TileWork, threads: int | None, advance: Advance) -> Done:
    """Make the store of one slide, and its provenance record."""
    from pathoai.cli.no_tissue import thumbnail_of_no_tissue
    from pathoai.preprocess.slide_source import SlideSource
    from pathoai.preprocess.tile_slide import tile_slide
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai.slide.open_slide import open_slide
    from pathoai.store.slide_store import is_complete

    started = utc_now()
    place, row, settings = work.place, work.row, work.settings
    path = place.store_path
    skipped = is_complete(path)
    source = SlideSource(
        lambda: open_slide(work.source, mpp=row.stated_mpp, slide_id=row.slide_id),
        work.source,
        row.source_sha256,
    )
    settings = replace(settings, workers=threads or settings.workers)
    with thumbnail_of_no_tissue(place):
        store = tile_slide(source, path, settings, advance=advance)
    ProvenanceRecord(
        "tile",
        _parameters(settings),
        {f"slide/{row.slide_id}": row.source_sha256},
        {f"store/{row.slide_id}": store.identity},
        started,
        utc_now(),
    ).write(place.provenance_path)
    return Done(_said(store, settings), skipped)


def _parameters(settings: TilingSettings) -> dict[str, Any]:
    """What shaped the store: neither device nor number of threads does."""
    found = asdict(settings)
    return {key: value for key, value in found.items() if key not in ("workers", "device")}


def _said(store: SlideStore, settings: TilingSettings) -> str:
    header = store.header
    how = "tiles copied" if header.encoding == "source" else f"resampled to {header.mpp:g} µm"
    parts = [
        f"{store.tissue.area_mm2:.2f} mm² of tissue",
        f"{len(store.tiles(settings.spec))} tiles",
        how,
    ]
    if store.damaged:
        first = store.damaged[0]
        parts.append(
            f"{len(store.damaged)} damaged tiles left out (first: level {first.level}, "
            f"row {first.row}, column {first.column})"
        )
    return ", ".join(parts)


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_over_slides
    from pathoai.study.study import Study

    study = Study(options.study.absolute())
    chosen_settings(options)  # what cannot be is refused once, not once per slide
    execution = Execution(
        chosen_cluster(options, options.workers), options.retries, threads=options.workers
    )
    if execution.is_on_this_machine and options.device not in ("auto", "cpu"):
        from pathoai.preprocess.device import choose_device

        choose_device(options.device)

    def item_of(row: CohortRow) -> WorkItem:
        settings = chosen_settings(options, row.stain)
        work = TileWork(study.place(row.slide_id), row, study.source_of(row.slide_id), settings)
        return WorkItem(row.slide_id, tile_one, work)

    run_over_slides(chosen_slides(study, options.slides), "tiling", item_of, execution)


COMMAND = Command(
    "tile", "make a Zarr store of each slide", "pathoai tile my-study --workers 4", configure, run
)
