"""``pathoai cohort``: what a study knows of its slides, and what is added to it later."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from pathoai.cli.command import Command, add_action

_SHOW = "pathoai cohort show my-study"
_IMPORT = "pathoai cohort import my-study cohort-columns.csv"
_SUBMISSION = "pathoai cohort submission my-study grades.csv --model cervix-grading"


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    show = add_action(words, "show", "count patients, blocks, centres, stains and grades", _SHOW)
    show.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    show.set_defaults(action=_show)
    table = add_action(words, "import", "add columns to slides that the study has", _IMPORT)
    table.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    table.add_argument(
        "table",
        type=Path,
        metavar="TABLE.csv",
        help="CSV with slide_id and any of patient, block, centre (coded on the way in), stain, "
        "scanner, stain_batch, grade, pair, marker; or TissueNet's filename,0,1,2,3",
    )
    table.set_defaults(action=_import)
    one_hot = add_action(
        words, "submission", "write grades as TissueNet's one-hot table", _SUBMISSION
    )
    one_hot.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    one_hot.add_argument("file", type=Path, metavar="FILE.csv", help="filename,0,1,2,3")
    one_hot.add_argument(
        "--model", metavar="NAME", help="a model's grades (default: those of the cohort)"
    )
    one_hot.add_argument(
        "--file-names",
        action="store_true",
        help="call slides by their files' names, not by code; such a file must stay here",
    )
    one_hot.set_defaults(action=_submission)


def run(options: Namespace) -> None:
    options.action(options)


def _show(options: Namespace) -> None:
    from pathoai.cli.each_slide import chosen_slides
    from pathoai.study.study import Study

    rows = chosen_slides(Study(options.study), None)
    print(f"{len(rows)} slides")
    for noun in ("patient", "block", "centre"):
        codes = [code for row in rows if (code := getattr(row, f"{noun}_id"))]
        print(f"  {noun}s: {len(set(codes))}; not stated for {len(rows) - len(codes)} slides")
    pairs = {row.pair for row in rows if row.pair}
    print(f"  pairs: {len(pairs)}; not stated for {sum(not r.pair for r in rows)} slides")
    for column in ("stain", "marker", "scanner", "stain_batch", "grade"):
        counts = Counter(getattr(row, column) or "not stated" for row in rows)
        print(f"  {column}: " + ", ".join(f"{k} {n}" for k, n in sorted(counts.items())))


def _import(options: Namespace) -> None:
    from pathoai.study.import_columns import import_columns
    from pathoai.study.study import Study

    rows = import_columns(Study(options.study), options.table)
    print(f"{len(rows)} slides have what the table says")


def _submission(options: Namespace) -> None:
    from pathoai.study.study import Study
    from pathoai.study.submission import grades_of_model, write_submission

    study, referred = Study(options.study), 0
    grades = {row.slide_id: row.grade for row in study.cohort}
    if options.model:
        grades, referred = grades_of_model(study, options.model)
    write_submission(study, options.file, grades, file_names=options.file_names)
    print(f"{len(grades)} slides written")
    if referred:
        print(f"{referred} of them were referred to the doctor: their most probable grade stands")


COMMAND = Command(
    "cohort",
    "show what is known of the slides, and add to it",
    "pathoai cohort import my-study grades.csv",
    configure,
    run,
)
