"""``pathoai add``: slides enter a study under a coded id."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.errors import CohortError, InvalidValueError, PathoaiError
from pathoai.study.cohort import CohortRow, IncomingSlide, read_incoming
from pathoai.study.known_spelling import refuse_other_spellings
from pathoai.study.study import Study

_STATED_ONCE = ("patient", "block", "centre", "grade", "pair", "stain", "marker")
"""What an option states of all slides; a row's own word comes first."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "slides",
        type=Path,
        nargs="+",
        metavar="SLIDE|COHORT.csv",
        help="slide files, or one CSV file with columns slide, patient, block, centre, stain, "
        "scanner, stain_batch, grade, pair, marker, mpp",
    )
    parser.add_argument(
        "--patient", default="", help="identifier of the patient of all these slides; it is coded"
    )
    parser.add_argument(
        "--block",
        default="",
        help="identifier of the paraffin block of all these slides, with its case; it is coded",
    )
    parser.add_argument(
        "--centre", default="", help="identifier of the centre of all these slides; it is coded"
    )
    parser.add_argument(
        "--grade", default="", help="class of all these slides as a whole, a key of the ontology"
    )
    parser.add_argument(
        "--pair",
        default="",
        help="short term that all scans of one section share, of which one was stained again",
    )
    parser.add_argument("--stain", default="", help="of all these slides, e.g. IHC (default: HE)")
    parser.add_argument(
        "--marker", default="", help="what an IHC stain of all these slides shows, e.g. AE1AE3"
    )
    parser.add_argument(
        "--mpp",
        type=float,
        help="true scale, µm per pixel, where the files' own is missing or wrong",
    )


def run(options: Namespace) -> None:
    study = Study(options.study)
    tables = [p for p in options.slides if p.suffix.lower() == ".csv"]
    if tables and len(options.slides) > 1:
        raise InvalidValueError(
            "give slides or one cohort file, not both", found=f"{len(options.slides)} arguments"
        )
    incoming = (
        read_incoming(tables[0]) if tables else [IncomingSlide(path) for path in options.slides]
    )
    incoming = [
        replace(
            s,
            **{name: getattr(s, name) or getattr(options, name) for name in _STATED_ONCE},
            mpp=options.mpp if s.mpp is None else s.mpp,
        )
        for s in incoming
    ]
    # Before slides are opened, which takes long, and by the numbers that they were given with.
    refuse_other_spellings(study, incoming)
    good, failures = _opened(incoming, "COHORT.csv row" if tables else "slide")
    for row in study.add(good) if good else []:
        known = "patient " + row.patient_id if row.patient_id else "patient not stated"
        print(f"{row.slide_id}: {_stained(row)}, {known}")
    _conclude(failures, len(incoming))


def _stained(row: CohortRow) -> str:
    """How the slide is stained, and which scans show its section too."""
    marker = f" ({row.marker})" if row.marker else ""
    return f"{row.stain}{marker}" + (f", pair {row.pair}" if row.pair else "")


def _opened(
    incoming: list[IncomingSlide], noun: str
) -> tuple[list[IncomingSlide], list[PathoaiError]]:
    """The slides that can be opened, and why others cannot: what is no slide never gets a code.

    Errors tell them by their number, since files are named after patients.
    """
    from pathoai.geometry import Mpp
    from pathoai.slide.open_slide import open_slide

    good, failures = [], []
    for number, slide in enumerate(incoming, start=1):
        try:
            scale = None if slide.mpp is None else Mpp.square(slide.mpp)
            open_slide(slide.path, mpp=scale).close()
            good.append(slide)
        except PathoaiError as error:
            failures.append(
                type(error)(
                    error.what,
                    where=f"{noun} {number}",
                    found=error.found,
                    allowed=error.allowed,
                    remedy=error.remedy,
                )
            )
    return good, failures


def _conclude(failures: list[PathoaiError], slides: int) -> None:
    """Tell of the slides that were not entered.

    Raises:
        PathoaiError: The only slide failed: its own error.
        CohortError: Some of several failed; the others are entered.
    """
    if slides == 1 and failures:
        raise failures[0]
    for error in failures:
        print(f"pathoai: {error}", file=sys.stderr)
    if failures:
        raise CohortError(
            f"{len(failures)} of {slides} slides were not entered",
            remedy="mend or leave out these slides and run the same command again",
        )


COMMAND = Command(
    "add",
    "enter slides under coded ids",
    "pathoai add my-study slide-1.svs slide-2.svs --patient 'any identifier'",
    configure,
    run,
)
