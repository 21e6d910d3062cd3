"""``pathoai init``: make a study."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.study.study import Study
from pathoai.study.study_sheet import SHEET


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder to make")
    parser.add_argument(
        "--ontology",
        required=True,
        help="cervix, breast, or the path of an ontology file (YAML)",
    )
    parser.add_argument("--title", default="", help="what the study is called")
    parser.add_argument("--responsible", default="", help="role of who answers for it")
    parser.add_argument("--legal-basis", default="", help="e.g. 'GDPR 6.1.e, 9.2.j'")


def run(options: Namespace) -> None:
    existed = (options.study / SHEET).is_file()
    study = Study.create(
        options.study,
        ontology=options.ontology,
        title=options.title,
        responsible=options.responsible,
        legal_basis=options.legal_basis,
    )
    said = "it was there already, and stays as it is" if existed else "add slides next"
    print(f"study {study.sheet.title!r}, ontology {study.ontology.key}: {said}")


COMMAND = Command(
    "init", "make a study folder", "pathoai init my-study --ontology breast", configure, run
)
