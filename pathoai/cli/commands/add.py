"""``pathoai add``: slides enter a study under a coded id."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.study.cohort import CohortRow, IncomingSlide, read_incoming
from pathoai.study.study import Study


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "slides",
        type=Path,
        nargs="+",
        metavar="SLIDE|COHORT.csv",
        help="slide files, or one CSV file with columns slide, patient, centre, stain, mpp",
    )
    parser.add_argument(
        "--patient", default="", help="identifier of the patient of all these slides; it is coded"
    )
    parser.add_argument(
        "--mpp",
        type=float,
        help="true scale, µm per pixel, where the files' own is missing or wrong",
    )


def run(options: Namespace) -> None:
    from pathoai.errors import InvalidValueError

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
            patient=s.patient or options.patient,
            mpp=options.mpp if s.mpp is None else s.mpp,
        )
        for s in incoming
    ]
    for row in _checked(study, incoming):
        known = "patient " + row.patient_id if row.patient_id else "patient not stated"
        print(f"{row.slide_id}: {row.stain}, {known}")


def _checked(study: Study, incoming: list[IncomingSlide]) -> list[CohortRow]:
    """Enter slides only after each was opened: a file that is no slide never gets a code."""
    from pathoai.geometry import Mpp
    from pathoai.slide.open_slide import open_slide

    for slide in incoming:
        open_slide(slide.path, mpp=None if slide.mpp is None else Mpp.square(slide.mpp)).close()
    return study.add(incoming)


COMMAND = Command(
    "add",
    "enter slides under coded ids",
    "pathoai add my-study slide-1.svs slide-2.svs --patient 'any identifier'",
    configure,
    run,
)
