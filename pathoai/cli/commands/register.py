"""``pathoai register``: where each point of an H&E slide lies on its restained twin."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cli.register_work import Marks, RegisterWork, register_one
from pathoai.cli.slide_options import add_slides, complete_codes
from pathoai.cluster.work_item import WorkItem
from pathoai.errors import InvalidValueError, MissingFileError, StudyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pathoai.study.pairs import SlidePair
    from pathoai.study.study import Study

_WORKERS = 2


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    add_slides(parser, "only pairs in which one of these takes part")
    parser.add_argument(
        "--landmarks",
        type=Path,
        metavar="FOLDER",
        help="points to measure by: a folder, no file, with SLIDE_ID.csv for each slide: columns X "
        "and Y (level-0 pixels), after one with the points' names or none; each point of a pair "
        "must be marked on both of its slides",
    )
    parser.add_argument(
        "--neighbouring",
        action=BooleanOptionalAction,
        help="the slides of a pair are two sections, beside each other in the block: areas are "
        "aligned, annotations can be carried, labels are refused (default: as registered before, "
        "else one section)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="computing threads (default: all cores); with --cluster, processes or jobs "
        f"(default: {_WORKERS})",
    )
    add_cluster_options(parser)


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_items
    from pathoai.preprocess.device import choose_device
    from pathoai.study.pairs import sound_pairs
    from pathoai.study.study import Study

    study = Study(options.study.absolute())
    if options.workers is not None and options.workers < 1:
        raise InvalidValueError("workers", found=options.workers, allowed="1 or more")
    if options.landmarks is not None and not options.landmarks.is_dir():
        raise MissingFileError(
            "no such folder",
            where="--landmarks",
            remedy="name the folder that holds a SLIDE_ID.csv for each slide",
        )
    chosen_slides(study, options.slides)
    complete_codes(study, options)
    cluster = chosen_cluster(options, options.workers or _WORKERS, device=options.device)
    execution = Execution(
        cluster, options.retries, threads=options.workers, wants_gpu=options.device != "cpu"
    )
    if execution.is_on_this_machine:
        choose_device(options.device)  # what cannot be is refused once, and not once per pair
    pairs, faults = sound_pairs(study.cohort, options.slides)
    items: dict[str, Callable[[], WorkItem]] = {
        pair.name: partial(_item, study, pair, options) for pair in pairs
    }
    items |= {f"pair {term}": partial(_refuse, fault) for term, fault in faults.items()}
    run_items(items, "registering", execution, noun="pairs")


def _item(study: Study, pair: SlidePair, options: Namespace) -> WorkItem:
    fixed, moving = pair.fixed.slide_id, pair.moving.slide_id
    target = study.registration_path(fixed, moving)
    target.parent.mkdir(exist_ok=True)
    work = RegisterWork(
        study.store_path(fixed),
        study.store_path(moving),
        target,
        study.provenance_path,
        options.device,
        _landmarks(options.landmarks, pair),
        options.neighbouring,
    )
    return WorkItem(pair.name, register_one, work)


def _landmarks(folder: Path | None, pair: SlidePair) -> tuple[Marks, Marks] | None:
    """Points of a pair; None where neither slide has any."""
    from pathoai.registration.landmarks import read_landmarks

    if folder is None:
        return None
    files = [folder / f"{row.slide_id}.csv" for row in (pair.fixed, pair.moving)]
    if not any(file.exists() for file in files):
        return None
    fixed, moving = read_landmarks(*files)
    return [tuple(p) for p in fixed.tolist()], [tuple(p) for p in moving.tolist()]


def _refuse(fault: StudyError) -> WorkItem:
    raise fault


COMMAND = Command(
    "register",
    "align each H&E slide with its restained twins",
    "pathoai register my-study",
    configure,
    run,
)
