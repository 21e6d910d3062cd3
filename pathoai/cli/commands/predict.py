"""``pathoai predict``: what a model says of each slide: of pixels, of regions, or of the whole."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cli.predict_file import run_on_file
from pathoai.cli.predict_kind import kind_of
from pathoai.cli.predict_work import PredictWork
from pathoai.cli.slide_options import add_slides
from pathoai.cli.tiling_options import share
from pathoai.cluster.work_item import WorkItem
from pathoai.errors import InvalidValueError
from pathoai.models.runtimes import AUTO, RUNTIMES

if TYPE_CHECKING:  # its module is heavy, and needed only once the command runs
    from pathoai.study.study import Study

_WORKERS = 2
_OF_STUDIES = ("slides", "cluster", "cluster_config")
_OF_FILES = ("slide_id", "mpp", "tissue", "max_damaged")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path",
        type=Path,
        metavar="STUDY|SLIDE",
        help="the study folder; or a slide file, with --out, and no study is needed",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="a model of the study; of a slide file, the folder of a bundle",
    )
    add_slides(parser, "only these slides of the study")
    _add_opinion_options(parser)
    _add_computing_options(parser)
    _add_file_options(parser)
    add_cluster_options(parser)


def _add_opinion_options(parser: ArgumentParser) -> None:
    """Who is asked, about what."""
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
        help="average over the eight symmetries of each tile or region: eight times the time",
    )
    parser.add_argument(
        "--regions",
        metavar="SOURCE",
        default="",
        help="of models that name regions: annotations (of the journal), tissue (squares laid over "
        "it), or a label whose objects are named, e.g. prediction/NAME (default: what the model's "
        "recipe states)",
    )


def _add_computing_options(parser: ArgumentParser) -> None:
    """What computes, and how."""
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
        help="computing threads, of all processes together where several share a GPU (default: all "
        "cores); with --cluster, processes or jobs "
        f"(default: {_WORKERS})",
    )


def _add_file_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("of a slide file")
    group.add_argument(
        "--out",
        type=Path,
        metavar="STORE.zarr",
        help="the store to make of the slide; objects, report and records go into STORE.results",
    )
    group.add_argument(
        "--slide-id", metavar="ID", help="code of the slide (default: made from its content)"
    )
    group.add_argument(
        "--mpp", type=float, help="true scale, µm per pixel, where the file's is missing or wrong"
    )
    group.add_argument(
        "--tissue", metavar="PRESET", help="h-and-e, ihc, faint, … (default: h-and-e)"
    )
    group.add_argument(
        "--max-damaged",
        type=share,
        metavar="SHARE",
        help="refuse a slide with more damaged tiles, e.g. 0.5%% (default: 0.1%%)",
    )


def run(options: Namespace) -> None:
    if options.workers is not None and options.workers < 1:
        raise InvalidValueError("workers", found=options.workers, allowed="1 or more")
    is_study = (options.path / "study.toml").is_file()
    if is_study or (options.out is None and not options.path.is_file()):
        _refuse(options, ("out", *_OF_FILES), "is for a slide file, not for a study")
        _run_on_study(options)
        return
    _refuse(options, _OF_STUDIES, "is for a study, not for one slide file")
    if options.out is None:
        raise InvalidValueError(
            "a slide file needs a place for its store",
            where="--out",
            found="none",
            remedy="add --out STORE.zarr; or name a study folder instead of the file",
        )
    run_on_file(options)


def _refuse(options: Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise InvalidValueError(f"{option} {why}", remedy="leave it out")


def _run_on_study(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_over_slides
    from pathoai.models.bundle import load_bundle
    from pathoai.study.study import Study

    study = Study(options.path.absolute())
    cluster = chosen_cluster(options, options.workers or _WORKERS, device=options.device)
    kind = kind_of(load_bundle(study.model_path(options.model)), options.regions)
    slides = chosen_slides(study, options.slides)
    several = cluster is None and kind.lanes > 1 and len(slides) > 1
    processes = min(_processes(options), len(slides)) if several else 1
    execution = Execution(
        cluster,
        options.retries,
        threads=options.workers,
        wants_gpu=options.device != "cpu",
        lanes=processes if processes > 1 else kind.lanes,
        in_processes=processes > 1,
    )
    # What cannot be is refused once, here, and not once per slide; a cluster has its own devices.
    kind.ready(_work(options, study, "", options.device if execution.is_on_this_machine else "cpu"))
    try:
        run_over_slides(
            slides,
            "predicting",
            lambda row: WorkItem(
                row.slide_id, kind.predict, _work(options, study, row.slide_id, options.device)
            ),
            execution,
        )
    finally:
        if kind.gather is not None:
            kind.gather(study, options.model)


def _processes(options: Namespace) -> int:
    """Those among which slides are dealt: they share a GPU, if there is one."""
    from pathoai.cluster.gpu_workers import processes_on
    from pathoai.preprocess.device import choose_device

    threads = options.workers or os.cpu_count() or 1
    return processes_on(choose_device(options.device), threads, options.batch_size)


def _work(options: Namespace, study: Study, slide_id: str, device: str) -> PredictWork:
    return PredictWork(
        study.place(slide_id),
        study.model_path(options.model),
        device,
        options.batch_size,
        ensemble=tuple(map(study.model_path, options.ensemble)),
        tta=options.tta,
        precision=options.precision,
        regions=options.regions,
        runtime=options.runtime,
    )


COMMAND = Command(
    "predict",
    "run a model over the slides of a study, or over one slide file",
    "pathoai predict my-study --model breast-nuclei-segmentation\n"
    "  pathoai predict slide.svs --model breast-nuclei-segmentation --out slide.zarr",
    configure,
    run,
)
