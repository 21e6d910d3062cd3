"""``pathoai overview``: one picture of each slide at work."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.cli.slide_options import add_slides


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", metavar="NAME", help="lay this model's prediction over it")
    add_slides(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="(default: overview in the study, where an erasure of a slide finds its picture)",
    )


def run(options: Namespace) -> None:
    from pathoai.atomic_file import write_bytes_atomically
    from pathoai.cli.each_slide import chosen_slides, for_each_slide
    from pathoai.models.bundle import load_bundle
    from pathoai.overview import OverviewSubject, draw_overview
    from pathoai.progress import Advance
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.cohort import CohortRow
    from pathoai.study.read_only import OUT, refuse_read_only
    from pathoai.study.study import Study
    from pathoai.tiling.spec import TileSpec

    study = Study(options.study)
    bundle = load_bundle(study.model_path(options.model)) if options.model else None
    folder = options.out or study.path / "overview"
    if options.out is None:
        refuse_read_only(folder, "pictures", OUT)
    folder.mkdir(parents=True, exist_ok=True)

    def work(row: CohortRow, advance: Advance) -> str:
        store = SlideStore(study.store_path(row.slide_id))
        spec = bundle.spec if bundle else TileSpec(mpp=store.mpp)
        picture = draw_overview(OverviewSubject(store, spec, study.ontology, bundle))
        write_bytes_atomically(folder / f"{row.slide_id}.png", picture)
        advance(1, 1)
        return f"{folder.name}/{row.slide_id}.png"

    for_each_slide(chosen_slides(study, options.slides), "drawing", work)


COMMAND = Command(
    "overview",
    "draw a picture of each slide: tissue, tiles, prediction, reliability",
    "pathoai overview my-study --model breast-nuclei-segmentation",
    configure,
    run,
)
