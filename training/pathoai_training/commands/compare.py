"""``pathoai compare``: models on the same slides, with paired differences."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError
from pathoai.study.study import Study
from pathoai_training.report.context import LEFT_OUT_CENTRES


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder of the study")
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="two or more evaluated models; all against one"
    )
    parser.add_argument(
        "--split",
        choices=("test", "validation", LEFT_OUT_CENTRES),
        default="test",
        help="subset that they were evaluated on (default: %(default)s)",
    )


def run(arguments: Namespace) -> None:
    study, names = Study(arguments.study), list(arguments.models)
    for name in names:
        if name != Path(name).name or name.startswith("."):
            raise InvalidValueError("a model's name is one word, not a path", found=repr(name))

    from pathoai.atomic_file import write_text_atomically
    from pathoai.report.page import report_page
    from pathoai.report.terminal_table import terminal_table
    from pathoai_training.report.comparison import comparison_section
    from pathoai_training.report.read_report import read_report

    reports = [
        read_report(
            study.evaluation_path(name, arguments.split), model=name, subset=arguments.split
        )
        for name in names
    ]
    section = comparison_section(reports)
    print(terminal_table(section.tables[0]))
    print("\n" + "\n".join(section.text))
    page = study.evaluations_path / f"{arguments.split}-{'-vs-'.join(names)}.html"
    write_text_atomically(page, report_page(" against ".join(names), [section]))
    print(f"Page: evaluations/{page.name} in the study. Research only.")


COMMAND = Command(
    name="compare",
    summary="compare evaluated models on the same slides",
    example="pathoai compare STUDY grading-abmil grading-mean-pool",
    configure=configure,
    run=run,
)
