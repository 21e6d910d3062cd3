"""``pathoai agree``: how far readers agree, with each other and with a model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
from pathoai.study.read_only import OUT, is_writable, refuse_read_only
from pathoai.study.study import Study

if TYPE_CHECKING:  # numpy, shapely and SQLAlchemy are heavy, and needed only once it runs
    from pathoai_annotations.agreement.agreement_report import AgreementReport


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="hold a model's predictions against the readers"
    )
    parser.add_argument(
        "--costs",
        metavar="KEY",
        help="costs of wrong grades, shipped or a .yaml file (default: those of the study's "
        "ontology, where it has any)",
    )
    parser.add_argument(
        "--roll-up",
        action="store_true",
        help="outlines count with the topmost class that theirs is a kind of",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="(default: agreement in the study)"
    )


def run(options: Namespace) -> None:
    from pathoai.metrics.expected_cost import load_costs
    from pathoai_annotations.agreement.agree_study import agree_study

    started, study = utc_now(), Study(options.study)
    folder = options.out or study.agreement_path
    if options.out is None:
        refuse_read_only(folder, "the report", OUT)
    costs = load_costs(options.costs) if options.costs else None
    report = agree_study(study, model=options.model, costs=costs, roll_up=options.roll_up)
    report.write(folder)
    is_recorded = is_writable(study.provenance_path)
    _record(study.provenance_path if is_recorded else folder, options, folder, report, started)
    _show(report)
    where = "agreement/report.html in the study" if options.out is None else folder / "report.html"
    print(f"written to {where}")
    if not is_recorded:
        print("the record of this run lies beside it: the study may only be read here")


def _record(
    place: Path, options: Namespace, folder: Path, report: AgreementReport, started: str
) -> None:
    parameters = {
        "model": options.model,
        "costs": report.facts["costs of taking one for another"],
        "roll_up": options.roll_up,
    }
    outputs = {f"agreement/{n}": sha256_of_file(folder / n) for n in ("report.html", "report.json")}
    ProvenanceRecord("agree", parameters, {}, outputs, started, utc_now()).write(place)


def _show(report: AgreementReport) -> None:
    from pathoai.report.terminal_table import terminal_table

    for section in report.sections:
        if section.key in ("about", "grades", "group", "model", "times"):
            for table in section.tables:
                print(terminal_table(table), end="\n\n")


COMMAND = Command(
    "agree",
    "measure how far readers agree, with each other and with a model",
    "pathoai agree my-study --model cervix-grading",
    configure,
    run,
)
