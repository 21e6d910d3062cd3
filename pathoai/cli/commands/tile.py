"""``pathoai tile``: slides become stores."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--slides", nargs="+", metavar="ID", help="only these slides")
    parser.add_argument("--mpp", type=float, default=0.5, help="scale of the stores (default: 0.5)")
    parser.add_argument("--tile-size", type=int, default=256, help="pixels (default: 256)")
    parser.add_argument("--overlap", type=int, default=0, help="pixels (default: 0)")
    parser.add_argument(
        "--min-tissue", type=float, default=0.05, help="share of a tile, 0 to 1 (default: 0.05)"
    )
    parser.add_argument("--tissue-method", default="otsu", help="how tissue is found")
    parser.add_argument("--workers", type=int, default=2, help="reading threads (default: 2)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")


def run(options: Namespace) -> None:
    from dataclasses import asdict

    from pathoai.cli.each_slide import chosen_slides, for_each_slide
    from pathoai.preprocess.device import choose_device
    from pathoai.preprocess.tile_slide import TilingSettings, tile_slide
    from pathoai.progress import Advance
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai.slide.open_slide import open_slide
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study
    from pathoai.tiling.spec import TileSpec

    study = Study(options.study)
    spec = TileSpec(options.tile_size, options.mpp, options.overlap, options.min_tissue)
    settings = TilingSettings(
        spec, options.tissue_method, options.workers, choose_device(options.device)
    )

    def work(row: CohortRow, advance: Advance) -> str:
        started = utc_now()
        source = study.source_of(row.slide_id)
        store = tile_slide(
            lambda: open_slide(source, mpp=row.stated_mpp, slide_id=row.slide_id),
            study.store_path(row.slide_id),
            settings,
            source_sha256=row.source_sha256,
            advance=advance,
        )
        ProvenanceRecord(
            "tile",
            {"spec": asdict(spec), "tissue_method": settings.tissue_method},
            {f"slide/{row.slide_id}": row.source_sha256},
            {f"store/{row.slide_id}": store.identity},
            started,
            utc_now(),
        ).write(study.provenance_path)
        return f"{store.tissue.area_mm2:.2f} mm² of tissue, {len(store.tiles(spec))} tiles"

    for_each_slide(chosen_slides(study, options.slides), "tiling", work)


COMMAND = Command(
    "tile", "make a Zarr store of each slide", "pathoai tile my-study --mpp 0.5", configure, run
)
