"""``pathoai annotations``: what the journal holds, in and out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action
from pathoai.cli.slide_options import complete_codes
from pathoai.errors import InvalidValueError
from pathoai.progress import Advance
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study
from pathoai_annotations.commands import exchange, journal_commands, transfer

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai.geometry import Region
    from pathoai_annotations.annotation import Annotation
    from pathoai_annotations.journal.journal import Journal

_PROPOSE = "pathoai annotations propose my-study --model breast-nuclei-segmentation"
_VALIDATE = "pathoai annotations validate my-study --author R1 --label nucleus --limit 100"
_SUMMARY = "pathoai annotations summary my-study"


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    exchange.configure(words)
    transfer.configure(words)
    propose = add_action(words, "propose", "enter a model's objects as proposals", _PROPOSE)
    _configure_choice(propose, _propose)
    propose.add_argument("--model", required=True, metavar="NAME", help="a model of the study")

    validate = add_action(words, "validate", "stand behind proposals", _VALIDATE)
    _configure_choice(validate, _validate)
    validate.add_argument("--author", required=True, help="your code, e.g. R1; never a name")
    validate.set_defaults(writes=True)
    validate.add_argument("--by", metavar="CODE", help="only what this code proposed")
    validate.add_argument("--label", help="only of this class")
    validate.add_argument("--limit", type=int, help="at most so many per slide")

    journal_commands.configure(words)
    summary = add_action(words, "summary", "count annotations by slide and status", _SUMMARY)
    summary.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    summary.set_defaults(action=_summary)


def _configure_choice(parser: ArgumentParser, action: object) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--slide", metavar="ID", help="only this slide")
    parser.add_argument(
        "--region",
        nargs=4,
        type=float,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="only what touches this rectangle, level-0 pixels",
    )
    parser.set_defaults(action=action)


def run(options: Namespace) -> None:
    if "study" not in options:  # the list of formats is about none
        options.action()
        return
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.readers.blindness import check_may_work

    study = Study(options.study)
    complete_codes(study, options)
    if "writes" in options and options.author != exchange.NOBODY:
        slide_id = getattr(options, "slide", None)
        check_may_work(study, options.author, None if slide_id is None else [slide_id])
    with Journal.open(study) as journal:
        options.action(study, journal, options)


def _slides(study: Study, slide_id: str | None) -> list[CohortRow]:
    from pathoai.cli.each_slide import chosen_slides

    return chosen_slides(study, None if slide_id is None else [slide_id])


def _region(options: Namespace) -> Region | None:
    from pathoai.geometry import Region

    return Region(*options.region) if options.region else None


def _propose(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai.cli.each_slide import for_each_slide
    from pathoai.store.objects import read_objects
    from pathoai_annotations.annotation import Origin
    from pathoai_annotations.proposals import proposals_of

    region, ontology = _region(options), study.ontology

    def work(row: CohortRow, advance: Advance) -> str:
        objects = read_objects(study.objects_path(row.slide_id, f"prediction/{options.model}"))
        found = proposals_of(objects, row.slide_id, ontology, origin=Origin.MODEL, author="model")
        chosen = [a for a in found if region is None or _touches(a, region)]
        return f"{len(chosen)} objects proposed, {journal.propose(chosen)} new"

    for_each_slide(_slides(study, options.slide), "proposing", work)


def _touches(annotation: Annotation, region: Region) -> bool:
    x0, y0, x1, y1 = annotation.geometry.bounds
    return bool(x0 <= region.right and x1 >= region.x and y0 <= region.bottom and y1 >= region.y)


def _validate(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.annotation import Status

    if options.limit is not None and options.limit < 1:
        raise InvalidValueError(
            "nothing to validate", where="--limit", found=options.limit, allowed="1 or more"
        )
    if options.label:
        study.ontology[options.label]
    region = _region(options)
    for slide_id in (row.slide_id for row in _slides(study, options.slide)):
        proposed = journal.annotations(slide_id, status={Status.PROPOSED}, region=region)
        if options.label:
            proposed = [a for a in proposed if a.label == options.label]
        if options.by:
            proposed = [a for a in proposed if a.author == options.by]
        chosen = proposed[: options.limit]
        journal.validate((a.id for a in chosen), author=options.author)
        print(f"{slide_id}: {len(chosen)} of {len(proposed)} proposals validated")


def _summary(study: Study, journal: Journal, options: Namespace) -> None:
    for row in study.cohort:
        counts = journal.counts(row.slide_id)
        print(f"{row.slide_id}: " + ", ".join(f"{n} {s}" for s, n in counts.items()))


COMMAND = Command(
    "annotations",
    "import, export, carry over, validate and look at annotations",
    "pathoai annotations export my-study annotations.geojson --status validated corrected",
    configure,
    run,
)
