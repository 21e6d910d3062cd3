"""``pathoai review``: a study's slides, predictions and annotations in napari."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command

if TYPE_CHECKING:  # SQLAlchemy is heavy, and needed only once the command runs
    from pathoai_annotations.review.session_summary import SessionSummary


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder of the study")
    parser.add_argument("--slide", metavar="ID", help="slide to show first (default: the first)")
    parser.add_argument(
        "--at",
        type=place,
        metavar="X,Y",
        help="place to show first, level-0 pixels of the slide (default: all of it)",
    )
    parser.add_argument(
        "--reader",
        metavar="CODE",
        help="code of the person who reviews, never a name (default: whose reading room it is, "
        "else R1)",
    )
    parser.add_argument(
        "--outline-model",
        type=Path,
        metavar="FILE.onnx",
        help="segmenter of the kind of SAM for click-to-outline (default: the built-in one)",
    )
    parser.add_argument(
        "--queue",
        type=Path,
        metavar="FILE.csv",
        help="read the regions of this table (of `pathoai queue` or `pathoai readers queue`) "
        "instead of the usual ones",
    )
    _configure_mix(parser)
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="PNG",
        help="write a picture of the window and exit, instead of waiting for the user",
    )


def _configure_mix(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--regions", type=int, default=20, metavar="N", help="regions of a slide (default: 20)"
    )
    parser.add_argument(
        "--random-share",
        type=float,
        metavar="SHARE",
        help="share of regions drawn at random, 0 to 1 (default: the setting, 0.1)",
    )
    parser.add_argument(
        "--control-share",
        type=float,
        metavar="SHARE",
        help="share of regions in which the model is hidden until one has decided, 0 to 1 "
        "(default: the setting, 0.1)",
    )


def place(text: str) -> tuple[float, float]:
    """The two numbers of ``X,Y``.

    Raises:
        ArgumentTypeError: It is something else.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"found {text!r}; allowed: two numbers, e.g. 12000,8500") from None
    return x, y


def run(arguments: Namespace) -> None:
    """Open the window, and tell what was read when it is closed.

    Raises:
        PathoaiError: There is no display or no napari, or the study cannot be shown.
    """
    from napari_pathoai.opening.open_review import open_review
    from napari_pathoai.what_to_read import usual_plan
    from pathoai_annotations.drawing.outline_choice import choose_model

    if arguments.outline_model is not None:
        choose_model(arguments.outline_model)
    plan = partial(
        usual_plan,
        arguments.queue,
        regions=arguments.regions,
        random_share=arguments.random_share,
        control_share=arguments.control_share,
    )
    read = open_review(
        arguments.study,
        slide_id=arguments.slide,
        at=arguments.at,
        reader=arguments.reader,
        plan=plan,
        screenshot=arguments.screenshot,
    )
    for summary in read:
        _tell(summary)


def _tell(summary: SessionSummary) -> None:
    from napari_pathoai.panels.summary_dialog import summary_lines

    for line in summary_lines(summary):
        print(line)


COMMAND = Command(
    name="review",
    summary="Review predictions and annotate slides in napari.",
    example="pathoai review mystudy --reader R1",
    configure=configure,
    run=run,
)
