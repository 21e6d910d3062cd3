"""``pathoai deidentify``: copies of slides that may leave."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.cli.each_slide import Execution, run_items
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.errors import MissingFileError, StudyError
from pathoai.progress import Advance

if TYPE_CHECKING:  # a study reads its ontology
    from pathoai.study.study import Study

_RANDOM_KEY_BYTES = 32
Named = tuple[Path, str]


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "slides",
        nargs="+",
        metavar="SLIDE",
        help="slide files or folders of DICOM files; with --study also coded ids of its slides",
    )
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="folder for the copies; each gets a folder named by its code, with a report",
    )
    parser.add_argument(
        "--study",
        type=Path,
        metavar="STUDY",
        help="name the copies by this study's codes, and re-key identifiers inside by its key; "
        "without it the code is made from the file's content",
    )


def run(options: Namespace) -> None:
    import secrets

    from pathoai.deidentify.rewritten import uid_key
    from pathoai.privacy.pseudonym import load_or_create_key
    from pathoai.study.study import Study

    named: Callable[[str], Named] = _by_content
    key = secrets.token_bytes(_RANDOM_KEY_BYTES)
    if options.study is not None:
        study = Study(options.study)
        named = partial(_by_study, study)
        key = uid_key(load_or_create_key(study.vault, may_create=False))
    makers = {
        f"slide {number}": partial(_item, f"slide {number}", slide, named, (options.out, key))
        for number, slide in enumerate(options.slides, start=1)
    }
    run_items(makers, "de-identifying", Execution())


def _item(
    name: str, slide: str, named: Callable[[str], Named], rest: tuple[Path, bytes]
) -> WorkItem:
    """Slides are told apart by their number: their files may be named after patients."""
    return WorkItem(name, _deidentify, (slide, named, *rest))


def _deidentify(
    argument: tuple[str, Callable[[str], Named], Path, bytes], threads: int | None, advance: Advance
) -> Done:
    from pathoai.deidentify.deidentify_slide import deidentify_slide

    slide, named, out, key = argument
    path, code = named(slide)
    done = deidentify_slide(path, out, code=code, uid_key=key, advance=advance)
    levels, dropped = len(done.report["levels"]), sum(done.report["left_behind"].values())
    text = f"{code}, {levels} levels with their pixels as they were; {dropped} things left behind"
    return Done(text, skipped=done.resumed)


def _by_content(slide: str) -> Named:
    from pathoai.privacy.pseudonym import code_of_content

    path = _existing(slide)
    return path, code_of_content(_digest(path))


def _by_study(study: Study, slide: str) -> Named:
    """A slide of the study, by its code or by its file."""
    cohort = study.cohort
    if slide in {row.slide_id for row in cohort}:
        return study.source_of(slide), slide
    path = _existing(slide)
    digest = _digest(path)
    codes = [row.slide_id for row in cohort if row.source_sha256 == digest]
    if not codes:
        raise StudyError(
            "the study has no slide of this content",
            remedy="enter it with `pathoai add STUDY SLIDE` first",
        )
    return path, codes[0]


def _existing(slide: str) -> Path:
    path = Path(slide)
    if not path.exists():
        raise MissingFileError("no such slide")
    return path


def _digest(path: Path) -> str:
    """As a study computes it."""
    from pathoai.provenance import sha256_of_path

    return sha256_of_path(path)


COMMAND = Command(
    "deidentify",
    "write copies of slides that may leave, without labels, names, dates and serial numbers",
    "pathoai deidentify slide.svs series-of-dicom-files copies --study my-study",
    configure,
    run,
)
