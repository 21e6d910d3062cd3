"""``pathoai predict``: a model's probabilities, class map and objects for each slide."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from torch import nn

    from pathoai.inference.predict_slide import Predictor

_WORKERS = 2


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", required=True, metavar="NAME", help="a model of the study")
    parser.add_argument("--slides", nargs="+", metavar="ID", help="only these slides")
    parser.add_argument("--batch-size", type=int, default=8, help="tiles (default: 8)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="computing threads (default: all cores); with --cluster, processes or jobs "
        f"(default: {_WORKERS})",
    )
    add_cluster_options(parser)


@dataclass(frozen=True, slots=True)
class PredictWork:
    """What a process needs to predict one slide; the study's path must be valid where it runs.

    Args:
        study: The study folder.
        slide_id: The slide.
        model: Name of the bundle.
        device: Where the network computes, by name.
        batch_size: Tiles per batch.
    """

    study: Path
    slide_id: str
    model: str
    device: str
    batch_size: int


def predict_one(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Predict one slide into its store, write its objects, and its provenance record."""
    import torch

    from pathoai.inference.find_objects import find_objects
    from pathoai.inference.predict_slide import predict_slide, prediction_name
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai.store.label_image import is_label_complete
    from pathoai.store.objects import write_objects
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

    if threads is not None:
        torch.set_num_threads(threads)
    started = utc_now()
    study, predictor = Study(work.study), _predictor(work)
    bundle = predictor.bundle
    store = SlideStore(study.store_path(work.slide_id))
    name = prediction_name(bundle.name)
    path = study.objects_path(work.slide_id, name)
    skipped = is_label_complete(store.path, name, predictor.about(store)) and path.exists()
    label = predict_slide(store, predictor, advance=advance)
    objects = find_objects(label, classes=tuple(bundle.class_indices(study.ontology)[1:]))
    write_objects(path, objects)
    ProvenanceRecord(
        "predict",
        {"model": bundle.name},
        {f"store/{work.slide_id}": store.identity, "model": bundle.identity},
        {f"objects/{work.slide_id}": sha256_of_file(path)},
        started,
        utc_now(),
    ).write(study.provenance_path)
    text = f"{len(objects)} objects proposed by {bundle.name}; a doctor decides"
    return Done(text, skipped)


def _predictor(work: PredictWork) -> Predictor:
    from pathoai.inference.predict_slide import Predictor
    from pathoai.models.bundle import load_bundle
    from pathoai.preprocess.device import choose_device
    from pathoai.study.study import Study

    study = Study(work.study)
    folder, device = study.model_path(work.model), choose_device(work.device)
    bundle = load_bundle(folder)
    network = _network(folder, bundle.identity, str(device))
    return Predictor(bundle, network, study.ontology, device, work.batch_size)


@lru_cache(maxsize=1)
def _network(folder: Path, identity: str, device: str) -> nn.Module:
    """The network of a bundle; kept between slides as long as the bundle is the same."""
    import torch

    from pathoai.models.bundle import load_bundle, load_network

    return load_network(folder, load_bundle(folder), torch.device(device))


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_over_slides
    from pathoai.errors import InvalidValueError
    from pathoai.study.study import Study

    study = Study(options.study.absolute())
    if options.workers is not None and options.workers < 1:
        raise InvalidValueError("workers", found=options.workers, allowed="1 or more")
    cluster = chosen_cluster(options, options.workers or _WORKERS)
    execution = Execution(cluster, options.retries, threads=options.workers, wants_gpu=True)

    def item_of(slide_id: str, device: str) -> PredictWork:
        return PredictWork(study.path, slide_id, options.model, device, options.batch_size)

    # What cannot be is refused once, here, and not once per slide; a cluster has its own devices.
    _predictor(item_of("", options.device if execution.is_on_this_machine else "cpu"))
    run_over_slides(
        chosen_slides(study, options.slides),
        "predicting",
        lambda row: WorkItem(row.slide_id, predict_one, item_of(row.slide_id, options.device)),
        execution,
    )


COMMAND = Command(
    "predict",
    "run a model over the slides",
    "pathoai predict my-study --model breast-nuclei-segmentation",
    configure,
    run,
)
