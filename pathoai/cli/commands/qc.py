"""``pathoai qc``: what is wrong with each slide, on one sheet."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.cli.slide_options import add_slides

if TYPE_CHECKING:  # these are heavy, and needed only once the command runs
    from pathoai.study.study import Study


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    add_slides(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")


def run(options: Namespace) -> None:
    from pathoai.atomic_file import write_bytes_atomically
    from pathoai.cli.each_slide import chosen_slides, for_each_slide
    from pathoai.preprocess.device import choose_device
    from pathoai.progress import Advance
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai.quality.quality_map import METHOD, assess_quality
    from pathoai.quality.quality_sheet import draw_quality_sheet
    from pathoai.quality.summary import QualitySummary
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.cohort import CohortRow
    from pathoai.study.read_only import WRITABLE, refuse_read_only
    from pathoai.study.study import Study

    study, device = Study(options.study), choose_device(options.device)
    # Sheets show what is kept in the stores: no other place would do.
    refuse_read_only(study.quality_path, "what is found of each slide", WRITABLE)
    rows = chosen_slides(study, options.slides)

    def work(row: CohortRow, advance: Advance) -> str:
        started = utc_now()
        store = SlideStore(study.store_path(row.slide_id))
        quality = assess_quality(store, device, advance=advance)
        sheet = study.quality_sheet_path(row.slide_id)
        sheet.parent.mkdir(exist_ok=True)
        write_bytes_atomically(sheet, draw_quality_sheet(store, quality))
        ProvenanceRecord(
            "qc",
            {"method": METHOD},
            {f"store/{row.slide_id}": store.identity},
            {f"quality/{row.slide_id}": sha256_of_file(sheet)},
            started,
            utc_now(),
        ).write(study.provenance_path)
        return QualitySummary.of(store, quality).line

    try:
        for_each_slide(rows, "judging", work)
    finally:
        _write_table(study)


def _write_table(study: Study) -> None:
    """The table of all slides judged so far, from their stores: no slide that left stays in it."""
    from pathoai.atomic_file import write_text_atomically
    from pathoai.quality.artefacts import LABEL
    from pathoai.quality.quality_map import read_quality
    from pathoai.quality.summary import QualitySummary, summary_table
    from pathoai.store.slide_store import SlideStore, is_complete

    summaries = []
    for row in study.cohort:
        path = study.store_path(row.slide_id)
        if is_complete(path) and LABEL in (store := SlideStore(path)).labels:
            summaries.append(QualitySummary.of(store, read_quality(store)))
    if summaries:
        folder = study.quality_path
        folder.mkdir(exist_ok=True)
        write_text_atomically(folder / "summary.csv", summary_table(summaries))


COMMAND = Command(
    "qc",
    "look for pen, folds, blur, bubbles and blood, and draw a sheet of each slide",
    "pathoai qc my-study",
    configure,
    run,
)
