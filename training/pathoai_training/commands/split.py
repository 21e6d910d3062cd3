"""``pathoai split``: who is trained on and who is tested on, written once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError, StudyError

if TYPE_CHECKING:
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study
    from pathoai_training.splits.linked_slides import Link
    from pathoai_training.splits.split_plan import SplitPlan
    from pathoai_training.splits.written_split import WrittenSplit

    Maker = Callable[[Sequence[CohortRow], Mapping[str, str]], WrittenSplit]

_DEFAULT_NAME = "main"
_LINKS = ("patient", "block", "centre")
_ASSIGNED_BY = "patient,block"
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
    parser.add_argument(
        "--assign",
        type=Path,
        metavar="FILE.csv",
        help="take the subsets of a table, columns slide_id and subset (train, validation, test), "
        "such as a challenge's official split; linked slides in two subsets are refused",
    )
    parser.add_argument(
        "--drop-linked",
        action="store_true",
        help="with --assign: leave out slides of the others that are linked to the test",
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
    if options.assign is not None:
        _print_split(study, _assigned(study, options))
        return
    if options.drop_linked:
        raise InvalidValueError("--drop-linked goes with --assign FILE.csv")
    if options.by is None:
        raise InvalidValueError("--by is missing", allowed=f"any of {', '.join(_LINKS)}")
    plan = _plan(options)
    _print_split(study, _made(study, plan, options.name, _dealing(study, plan, options.name)))


def _plan(options: Namespace) -> SplitPlan:
    from pathoai_training.splits.split_plan import SplitPlan

    folds = 1 if options.folds is None else options.folds
    if options.folds == 1:
        raise InvalidValueError("--folds", found=1, allowed="2 or more")
    test = 0.0 if options.leave_one_centre_out else _TEST_SHARE
    validation = 0.0 if folds > 1 else _VALIDATION_SHARE
    return SplitPlan(
        by=_links(options.by),
        stratify=options.stratify is not None,
        test=test if options.test is None else options.test,
        validation=validation if options.validation is None else options.validation,
        folds=folds,
        leave_one_centre_out=options.leave_one_centre_out,
        seed=options.seed,
    )


def _links(text: str) -> tuple[Link, ...]:
    from pathoai_training.splits.linked_slides import Link

    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in _LINKS]:
        raise InvalidValueError("--by", found=", ".join(unknown), allowed=", ".join(_LINKS))
    return tuple(link for link in Link if link in words)


def _assigned(study: Study, options: Namespace) -> WrittenSplit:
    """The split that a table gives."""
    from pathoai_training.splits.assigned_split import (
        assigned_plan,
        read_assignment,
        split_by_assignment,
    )
    from pathoai_training.splits.split_plan import SplitPlan

    dealt = ("stratify", "test", "validation", "folds", "leave_one_centre_out")
    values = {name: getattr(options, name) for name in dealt}
    # A stated share of 0 is given, too.
    if given := [
        name for name, value in values.items() if value is not None and value is not False
    ]:
        raise InvalidValueError(
            "--assign leaves nothing to deal",
            found=", ".join(f"--{name.replace('_', '-')}" for name in given),
            allowed="--by, --drop-linked and --name",
        )
    assignment = read_assignment(options.assign)
    plan = assigned_plan(SplitPlan(by=_links(options.by or _ASSIGNED_BY)), assignment)

    def make(rows: Sequence[CohortRow], contents: Mapping[str, str]) -> WrittenSplit:
        return split_by_assignment(
            rows,
            plan,
            assignment,
            name=options.name,
            contents=contents,
            drop_linked=options.drop_linked,
        )

    return _made(study, plan, options.name, make)


def _dealing(study: Study, plan: SplitPlan, name: str) -> Maker:
    from pathoai_training.splits.group_split import split_by_groups

    return lambda rows, contents: split_by_groups(
        rows, plan, study.ontology, name=name, contents=contents
    )


def _made(study: Study, plan: SplitPlan, name: str, make: Maker) -> WrittenSplit:
    """The split of that name; made now if it is not written yet."""
    from pathoai.cli.each_slide import chosen_slides
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai_training.splits.cohort_leak import pixel_hashes
    from pathoai_training.splits.written_split import (
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
    split = write_split(study, make(rows, pixel_hashes(study, rows)))
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
    from pathoai.store.slide_store import is_complete
    from pathoai_training.splits.balance_table import balance_table
    from pathoai_training.splits.written_split import LEFT_OUT

    rows = {row.slide_id: row for row in study.cohort}
    print(f"Split {split.name}: splits/{split.name}.json, SHA-256 {split.sha256[:12]}…")
    for line in balance_table(split, rows):
        print(line)
    dropped = sum(subset == LEFT_OUT for subset in split.subset_of_slide().values())
    if split.plan.assigned and dropped:
        print(f"{dropped} slides are left out: they are linked to the test")
    unknown = sum(not rows[i].patient_id for i in split.slide_ids if i in rows)
    if split.plan.assigned and unknown:
        print(f"{unknown} slides state no patient: that they are kept apart rests on the table")
    dealt = [slide_id for slide_id in split.slide_ids if slide_id in rows]
    untiled = sum(not is_complete(study.store_path(slide_id)) for slide_id in dealt)
    if untiled:
        print(
            f"{untiled} of {len(dealt)} slides are not tiled yet (run `pathoai tile STUDY`): "
            "nothing can be learnt from them, and copies of one scan among them are not known"
        )
    unused = sorted(set(rows) - set(split.slide_ids))
    if unused:
        links = ", ".join(split.plan.by)
        print(
            f"{len(unused)} slides are in no subset and serve nothing ("
            + ("not in the table" if split.plan.assigned else f"added later, or without {links}")
            + f"): {', '.join(unused)}"
        )


def _print_openings(study: Study) -> None:
    from pathoai_training.splits.openings import openings

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
