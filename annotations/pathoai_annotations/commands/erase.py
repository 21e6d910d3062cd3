"""``pathoai erase`` and ``pathoai oppose``: a person leaves a study."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError
from pathoai.study.study import Study

if TYPE_CHECKING:  # the journal is heavy, and needed only once the command runs
    from pathoai.privacy.tombstones import Reason
    from pathoai_annotations.erasure.reach import Reach


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be reached, and change nothing"
    )


def configure_erase(parser: ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument("code", metavar="CODE", help="code of the patient, or of one of his slides")


def configure_oppose(parser: ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument(
        "code", nargs="?", metavar="CODE", help="code of the patient, or of one of his slides"
    )
    parser.add_argument(
        "--list",
        type=Path,
        metavar="FILE",
        help="everybody who opposes: a code or an identifier of a patient on each line; "
        "identifiers are coded with the study's key and not kept",
    )


def run_erase(options: Namespace) -> None:
    from pathoai.privacy.tombstones import Reason

    _take_out(Study(options.study), options.code, Reason.ERASURE, dry_run=options.dry_run)


def run_oppose(options: Namespace) -> None:
    from pathoai.privacy.opposition import note_opposition_applied
    from pathoai.privacy.tombstones import Reason
    from pathoai_annotations.erasure.opposition_list import keep_out, people_on_list

    if (options.code is None) == (options.list is None):
        raise InvalidValueError("who opposes?", allowed="either CODE or --list FILE")
    study = Study(options.study)
    if options.list is None:
        _take_out(study, options.code, Reason.OPPOSITION, dry_run=options.dry_run)
        return
    people = people_on_list(study, options.list)
    away = [one for one in people if not one.here]
    print(f"{len(people)} on the list, {len(people) - len(away)} of them in the study")
    for lines, what in (
        ([one.line for one in away if one.is_out], "taken out or kept out before"),
        ([one.line for one in away if not one.is_out], "nobody whom the study has"),
    ):
        if lines:
            print(f"  {what}: {_lines(lines)} of the list")
    for code in dict.fromkeys(code for one in people for code in one.here):
        _take_out(study, code, Reason.OPPOSITION, dry_run=options.dry_run)
    if not options.dry_run:
        keep_out(study, people)
        note_opposition_applied(study.path)


def _lines(numbers: Sequence[int]) -> str:
    """Lines by their numbers, ascending: what stands in them names people, and is not repeated."""
    runs = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    stretches = [[number for _, number in run] for _, run in runs]
    words = [str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in stretches]
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(words)}"


def _take_out(study: Study, code: str, reason: Reason, *, dry_run: bool) -> None:
    from pathoai_annotations.erasure.erase import erase_person
    from pathoai_annotations.erasure.reach import reach_of

    if not dry_run:
        _print(study, erase_person(study, code, reason), "taken out")
        return
    reach = reach_of(study, code)
    _print(study, reach, "would be taken out")
    for fate, kinds in _fates(study, reach).items():
        for path in (path for paths in kinds.values() for path in paths):
            print(f"  {fate}: {path.relative_to(study.path).as_posix()}")
    print("nothing was changed")


def _fates(study: Study, reach: Reach) -> dict[str, dict[str, list[Path]]]:
    """What becomes of files → their kind → the files."""
    from pathoai_annotations.erasure.remains import is_removed

    gone = [path for path in reach.files if is_removed(study.path, path, reach.person.traces)]
    stay = [path for path in reach.files if path not in gone]
    return {
        "removed": {
            "copies of his slides": [*reach.copies],
            "labels of their twins": [*reach.labels],
            "other files": gone,
        },
        "stay, without what names him": {"splits": [*reach.splits], "other files": stay},
    }


def _print(study: Study, reach: Reach, done: str) -> None:
    """How many of each kind, and what becomes of them; models, packages and rooms by name."""
    print(f"{done}: {len(reach.person.rows)} slides, {len(reach.edits)} edits of the journal")
    for fate, kinds in _fates(study, reach).items():
        told = ", ".join(f"{len(paths)} {kind}" for kind, paths in kinds.items() if paths)
        if told:
            print(f"  {fate}: {told}")
    for noun, names, remedy in (
        ("model trained with him", reach.models, "train it again without him"),
        ("package that contains him", reach.packages, "the next version leaves him out"),
        ("reading room with his slides", reach.rooms, "run the same command on the room"),
    ):
        for name in names:
            print(f"  {noun}: {name} ({remedy})")


ERASE = Command(
    "erase",
    "take a person out of a study, with all that was made of him",
    "pathoai erase my-study 0123456789ABCDEF --dry-run",
    configure_erase,
    run_erase,
)
OPPOSE = Command(
    "oppose",
    "apply an opposition, or the list of all: these people leave, and do not come back",
    "pathoai oppose my-study --list oppositions.txt",
    configure_oppose,
    run_oppose,
)
