"""``pathoai evaluate``: a report on slides that the model was not trained on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError
from pathoai.progress import progress_bar
from pathoai.study.study import Study

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.report.section import Section
    from pathoai_training.report.build_report import Report


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder of the study")
    parser.add_argument("--model", required=True, metavar="NAME", help="model of the study")
    parser.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="subset of the model's own split (default: %(default)s)",
    )
    parser.add_argument(
        "--left-out-centres",
        action="store_true",
        help="judge the models MODEL-fold-1, MODEL-fold-2, … of a split made with "
        "--leave-one-centre-out, each on the centre that it was trained without",
    )
    parser.add_argument(
        "--who",
        default="operator",
        metavar="CODE",
        help="code of the person who looks at the test, for its log (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")


def run(arguments: Namespace) -> None:
    study, name = Study(arguments.study), arguments.model
    if name != Path(name).name or name.startswith("."):
        raise InvalidValueError("a model's name is one word, not a path", found=repr(name))

    if arguments.left_out_centres:
        _left_out_centres(study, arguments)
        return

    from pathoai_training.evaluation.evaluate import evaluate

    with progress_bar(f"Evaluate {name}") as advance:
        report = evaluate(
            study,
            name,
            subset=arguments.split,
            who=arguments.who,
            device=arguments.device,
            advance=advance,
        )
    _, headline, *_ = report.sections
    _tell(report, headline)


def _left_out_centres(study: Study, arguments: Namespace) -> None:
    if arguments.split != "test":
        raise InvalidValueError(
            "--left-out-centres judges on tests",
            found=f"--split {arguments.split}",
            allowed="--split test, or nothing",
        )
    from pathoai_training.evaluation.left_out_centres import evaluate_left_out_centres

    with progress_bar(f"Evaluate folds of {arguments.model}") as advance:
        report = evaluate_left_out_centres(
            study,
            arguments.model,
            who=arguments.who,
            device=arguments.device,
            advance=advance,
        )
    _tell(report, next(one for one in report.sections if one.key == "left_out"))


def _tell(report: Report, section: Section) -> None:
    from pathoai.report.terminal_table import terminal_table

    context = report.context
    print(f"Model {context.model}, {context.subset}: {context.split_statement}")
    print(terminal_table(section.tables[0]))
    print("\n".join(section.text))
    place = f"evaluations/{context.model}/{context.subset}/report.html"
    print(f"Report: {place} in the study. Research only.")


COMMAND = Command(
    name="evaluate",
    summary="judge a model on slides that it was not trained on, and write a report",
    example="pathoai evaluate STUDY --model breast-nuclei-segmentation",
    configure=configure,
    run=run,
)
