"""``pathoai predict``: what a model says of each slide: of pixels, of regions, or of the whole."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cli.predict_grade import gather_grades, predict_grade, slide_grader
from pathoai.cli.predict_pixels import pixel_predictor, predict_pixels
from pathoai.cli.predict_regions import predict_regions, region_predictor
from pathoai.cli.predict_work import PredictWork
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.models.runtimes import AUTO, RUNTIMES
from pathoai.progress import Advance

if TYPE_CHECKING:
    from pathoai.study.study import Study

_WORKERS = 2
_LANES = 3
"""One slide is finished while another computes and a third is ready to."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", required=True, metavar="NAME", help="a model of the study")
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="NAME",
        help="models of the same classes and tiles that are averaged with it",
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="average over the eight symmetries of each tile: eight times the time",
    )
    parser.add_argument(
        "--regions",
        metavar="SOURCE",
        default="",
        help="of models that name regions: annotations (of the journal), tissue (squares laid over "
        "it), or a label whose objects are named, e.g. prediction/NAME (default: what the model's "
        "recipe states)",
    )
    parser.add_argument("--slides", nargs="+", metavar="ID", help="only these slides")
    parser.add_argument("--batch-size", type=int, default=8, help="tiles or regions (default: 8)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bfloat16"),
        help="numbers that a model of pixels computes with (default: auto: bfloat16 on a GPU that "
        "has it, else float32)",
    )
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default=AUTO,
        help="what runs the network: torch; onnx, faster on a CPU and the same within 0.001; "
        "onnx-int8, faster still and another model in effect, which must have been exported "
        "(default: onnx on a CPU where pathoai[onnx] is installed, else torch)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="computing threads (default: all cores); with --cluster, processes or jobs "
        f"(default: {_WORKERS})",
    )
    add_cluster_options(parser)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How models of one task are run.

    Args:
        ready: Loads the model; refuses what cannot be, before any slide is touched.
        predict: Does one slide.
        gather: Run once after the slides, also when some of them failed.
        names_regions: It takes ``--regions``.
        lanes: Slides under way at once in one process.
    """

    ready: Callable[[PredictWork], object]
    predict: Callable[[PredictWork, int | None, Advance], Done]
    gather: Callable[[Study, str], None] | None = None
    names_regions: bool = False
    lanes: int = 1


def _kind_of(task: str) -> _Kind:
    """By what a bundle says of itself; the predictor refuses a task that nothing here does."""
    from pathoai.models.bundle import REGION_CLASSIFICATION, SLIDE_GRADING

    if task == SLIDE_GRADING:
        return _Kind(slide_grader, predict_grade, gather_grades)
    if task == REGION_CLASSIFICATION:
        return _Kind(region_predictor, predict_regions, names_regions=True)
    return _Kind(pixel_predictor, predict_pixels, lanes=_LANES)


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_over_slides
    from pathoai.errors import InvalidValueError
    from pathoai.models.bundle import load_bundle
    from pathoai.study.study import Study

    study = Study(options.study.absolute())
    if options.workers is not None and options.workers < 1:
        raise InvalidValueError("workers", found=options.workers, allowed="1 or more")
    cluster = chosen_cluster(options, options.workers or _WORKERS)
    task = load_bundle(study.model_path(options.model)).task
    kind = _kind_of(task)
    execution = Execution(
        cluster, options.retries, threads=options.workers, wants_gpu=True, lanes=kind.lanes
    )

    def item_of(slide_id: str, device: str) -> PredictWork:
        return PredictWork(
            study.path,
            slide_id,
            options.model,
            device,
            options.batch_size,
            ensemble=tuple(options.ensemble),
            tta=options.tta,
            precision=options.precision,
            regions=options.regions,
            runtime=options.runtime,
        )

    if options.regions and not kind.names_regions:
        raise InvalidValueError("--regions is for models that name regions", found=task)
    # What cannot be is refused once, here, and not once per slide; a cluster has its own devices.
    kind.ready(item_of("", options.device if execution.is_on_this_machine else "cpu"))
    try:
        run_over_slides(
            chosen_slides(study, options.slides),
            "predicting",
            lambda row: WorkItem(row.slide_id, kind.predict, item_of(row.slide_id, options.device)),
            execution,
        )
    finally:
        if kind.gather is not None:
            kind.gather(study, options.model)


COMMAND = Command(
    "predict",
    "run a model over the slides",
    "pathoai predict my-study --model breast-nuclei-segmentation",
    configure,
    run,
)
