"""``pathoai split``: who is trained on and who is tested on, written once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError, StudyError

if TYPE_CHECKING:
    from pathoai.study.study import Study
    from pathoai_training.split_plan import SplitPlan
    from pathoai_training.written_split import WrittenSplit

_DEFAULT_NAME = "main"
_LINKS = ("patient", "block", "centre")
_TEST_SHARE = _VALIDATION_SHARE = 0.2


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "--by",
        metavar="LINK[,LINK]",
        help=f"what no two subsets share: any of {', '.join(_LINKS)}; duplicates never are",
    )
    parser.add_argument(
        "--stratify", choices=("class",), help="class: subsets get like shares of each grade"
    )
    parser.add_argument("--test", type=float, metavar="SHARE", help="locked test (default: 0.2)")
    parser.add_argument("--validation", type=float, metavar="SHARE", help="(default: 0.2)")
    parser.add_argument("--folds", type=int, metavar="K", help="rounds of cross-validation")
    parser.add_argument(
        "--leave-one-centre-out", action="store_true", help="a fold for each centre, its test"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the dealing (default: 0)")
    parser.add_argument(
        "--name", default=_DEFAULT_NAME, help="name of the split (default: %(default)s)"
    )
    parser.add_argument(
        "--openings", action="store_true", help="list who opened the test, when and for which model"
    )


def run(options: Namespace) -> None:
    from pathoai.study.study import Study

    study = Study(options.study)
    if options.openings:
        _print_openings(study)
        return
    if options.by is None:
        raise InvalidValueError("--by is missing", allowed=f"any of {', '.join(_LINKS)}")
    _print_split(study, _made(study, _plan(options), options.name))


def _plan(options: Namespace) -> SplitPlan:
    from pathoai_training.linked_slides import Link
    from pathoai_training.split_plan import SplitPlan

    words = [word.strip() for word in options.by.split(",")]
    if unknown := [word for word in words if word not in _LINKS]:
        raise InvalidValueError("--by", found=", ".join(unknown), allowed=", ".join(_LINKS))
    folds = 1 if options.folds is None else options.folds
    if options.folds == 1:
        raise InvalidValueError("--folds", found=1, allowed="2 or more")
    test = 0.0 if options.leave_one_centre_out else _TEST_SHARE
    validation = 0.0 if folds > 1 else _VALIDATION_SHARE
    return SplitPlan(
        by=tuple(link for link in Link if link in words),
        stratify=options.stratify is not None,
        test=test if options.test is None else options.test,
        validation=validation if options.validation is None else options.validation,
        folds=folds,
        leave_one_centre_out=options.leave_one_centre_out,
        seed=options.seed,
    )


def _made(study: Study, plan: SplitPlan, name: str) -> WrittenSplit:
    """The split of that name; dealt now if it is not written yet."""
    from pathoai.cli.each_slide import chosen_slides
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai_training.cohort_leak import pixel_hashes
    from pathoai_training.group_split import split_by_groups
    from pathoai_training.written_split import (
        check_split_name,
        read_split,
        split_names,
        write_split,
    )

    check_split_name(name)
    if name in split_names(study):
        known = read_split(study, name)
        if known.plan != plan:
            raise StudyError(
                "the study has another split of that name",
                where=f"split {name}",
                found=str(known.plan.to_dict()),
                remedy="a split is written once: give the new one a name of its own with --name",
            )
        return known
    started, rows = utc_now(), chosen_slides(study, None)
    made = split_by_groups(
        rows, plan, study.ontology, name=name, contents=pixel_hashes(study, rows)
    )
    split = write_split(study, made)
    ProvenanceRecord(
        command="split",
        parameters={"name": name} | plan.to_dict(),
        inputs={f"slide/{r.slide_id}": r.source_sha256 for r in rows},
        outputs={f"split/{name}": split.sha256},
        started=started,
        ended=utc_now(),
    ).write(study.provenance_path)
    return split


def _print_split(study: Study, split: WrittenSplit) -> None:
    from pathoai_training.balance_table import balance_table

    rows = {row.slide_id: row for row in study.cohort}
    print(f"Split {split.name}: splits/{split.name}.json, SHA-256 {split.sha256[:12]}…")
    for line in balance_table(split, rows):
        print(line)
    unused = sorted(set(rows) - set(split.slide_ids))
    if unused:
        print(
            f"{len(unused)} slides are in no subset and serve nothing (added later, or without "
            f"{', '.join(split.plan.by)}): {', '.join(unused)}"
        )


def _print_openings(study: Study) -> None:
    from pathoai_training.openings import openings

    entries = openings(study)
    print(f"{len(entries)} openings of a test")
    for entry in entries:
        seen = entry.opening
        print(
            f"{entry.time} {seen.who}: split {seen.split} ({seen.split_sha256[:12]}…) fold "
            f"{seen.fold}, model {seen.model} ({seen.model_sha256[:12]}…), {seen.purpose}"
        )


COMMAND = Command(
    name="split",
    summary="deal slides to training, validation and test, once",
    example="pathoai split my-study --by patient,block --stratify class --folds 5",
    configure=configure,
    run=run,
)
