"""``pathoai evaluate``: a report on slides that the model was not trained on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError
from pathoai.progress import progress_bar
from pathoai.study.study import Study


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

    from pathoai_training.evaluation.evaluate import evaluate
    from pathoai_training.report.terminal_table import terminal_table

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
    print(f"Model {name}, {arguments.split}: {report.context.split_statement}")
    print(terminal_table(headline.tables[0]))
    print("\n".join(headline.text))
    print(f"Report: evaluations/{name}/{arguments.split}/report.html in the study. Research only.")


COMMAND = Command(
    name="evaluate",
    summary="judge a model on slides that it was not trained on, and write a report",
    example="pathoai evaluate STUDY --model breast-nuclei-segmentation",
    configure=configure,
    run=run,
)
