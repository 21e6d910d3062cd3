"""``pathoai study sheet|portal``: what a study tells the people whose slides it uses."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command, add_action

_SHEET = "pathoai study sheet my-study my-study-sheet"
_PORTAL = "pathoai study portal my-study my-other-study portal"


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="sheet|portal", required=True)
    sheet = add_action(
        words, "sheet", "write a study's transparency sheet (French, English)", _SHEET
    )
    sheet.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    sheet.add_argument("out", type=Path, metavar="OUT", help="folder for its pages and JSON")
    sheet.set_defaults(action=_sheet)
    portal = add_action(words, "portal", "write a site that lists studies", _PORTAL)
    portal.add_argument("studies", type=Path, nargs="+", metavar="STUDY", help="study folders")
    portal.add_argument("out", type=Path, metavar="OUT", help="folder for the site")
    portal.set_defaults(action=_portal)


def run(options: Namespace) -> None:
    options.action(options)


def _sheet(options: Namespace) -> None:
    from pathoai.study.study import Study
    from pathoai.transparency.sheet_page import write_study_sheet

    files = write_study_sheet(Study(options.study), options.out)
    print(f"sheet: {', '.join(file.name for file in files)}")


def _portal(options: Namespace) -> None:
    from pathoai.study.study import Study
    from pathoai.transparency.portal import write_portal

    write_portal([Study(path) for path in options.studies], options.out)
    print(f"portal: {len(options.studies)} studies; open index.html")


COMMAND = Command(
    "study",
    "write a study's transparency sheet, or a portal of studies",
    "pathoai study sheet my-study my-sheet",
    configure,
    run,
)
