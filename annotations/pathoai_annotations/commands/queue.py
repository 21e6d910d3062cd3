"""``pathoai queue``: what a pathologist should see next."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError, StudyError
from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
from pathoai.study.study import Study

if TYPE_CHECKING:  # zarr and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai.store.label_image import LabelImage
    from pathoai_annotations.annotation import Annotation
    from pathoai_annotations.region_candidates import GradeCosts
    from pathoai_annotations.review_queue import CandidateRegions, Queue


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", required=True, metavar="NAME", help="whose predictions")
    parser.add_argument("--n", type=int, default=20, metavar="N", help="regions (default: 20)")
    parser.add_argument(
        "--random-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="least share of regions drawn at random, 0 to 1 (default: 0.1)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random ones (default: 0)")
    parser.add_argument(
        "--side", type=float, default=256.0, metavar="UM", help="of regions, µm (default: 256)"
    )
    parser.add_argument(
        "--costs",
        metavar="KEY",
        help="costs of wrong grades, shipped or a .yaml file (default: those of the study's "
        "ontology, where it has any)",
    )
    parser.add_argument(
        "--reader",
        metavar="CODE",
        help="leave out only what this reader judged (default: what anyone judged)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="(default: queue/NAME.csv in the study)"
    )


def run(options: Namespace) -> None:
    from pathoai_annotations.queue_table import write_queue
    from pathoai_annotations.readers.blindness import check_may_work
    from pathoai_annotations.region_candidates import joined
    from pathoai_annotations.review_queue import rank_regions

    started, study = utc_now(), Study(options.study)
    if options.reader is not None:
        check_may_work(study, options.reader)
    labels = _predictions(study, options.model)
    costs = _costs(study, labels, options.costs)
    judged = _judged(study, options.reader)
    candidates = joined(_candidates(study, labels, judged, costs, options.side))
    channels = next(iter(labels.values())).probability_channels
    queue = rank_regions(
        candidates,
        _counts(study, judged, channels),
        count=options.n,
        random_share=options.random_share,
        seed=options.seed,
    )
    path = options.out or study.queue_path(options.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_queue(path, candidates, queue, channels)
    _record(study, options, labels, path, costs, started)
    _show(options, candidates, queue, channels, costs)


def _predictions(study: Study, model: str) -> dict[str, LabelImage]:
    """The model's predictions, by slide; slides without one are left out and counted."""
    from pathoai.store.slide_store import SlideStore, is_complete

    name, found = f"prediction/{model}", {}
    for row in study.cohort:
        path = study.store_path(row.slide_id)
        if path.exists() and is_complete(path) and name in (store := SlideStore(path)).labels:
            found[row.slide_id] = _of_pixels(store.label(name), model)
    if not found:
        raise StudyError(
            "no slide has a prediction of this model",
            where=study.path.name,
            found=repr(model),
            remedy=f"run `pathoai predict STUDY --model {model}` first",
        )
    missing = len(study.cohort) - len(found)
    if missing:
        print(f"{missing} of {len(study.cohort)} slides have no prediction and are left out")
    return found


def _of_pixels(label: LabelImage, model: str) -> LabelImage:
    from pathoai.inference.slide_grade import ATTENTION

    if ATTENTION in label.probability_channels:
        raise InvalidValueError(
            "the model grades whole slides and is in doubt about no region",
            where="--model",
            found=model,
            allowed="models that predict pixels or regions",
        )
    return label


def _costs(study: Study, labels: dict[str, LabelImage], key: str | None) -> GradeCosts | None:
    from pathoai.metrics.expected_cost import load_costs
    from pathoai_annotations.region_candidates import GradeCosts, costs_of

    classes = next(iter(labels.values())).probability_channels
    if key is None:
        return costs_of(study.ontology, classes)
    return GradeCosts.of(load_costs(key), study.ontology, classes)


def _judged(study: Study, reader: str | None) -> list[Annotation]:
    """What a pathologist has judged; making a journal only to find it empty would be a trace."""
    from pathoai_annotations.annotation import Status
    from pathoai_annotations.journal.journal import Journal

    if not study.has_journal:
        return []
    with Journal.open(study) as journal:
        judged = journal.annotations(status=set(Status) - {Status.PROPOSED})
    return [a for a in judged if reader is None or a.author == reader]


def _candidates(
    study: Study,
    labels: dict[str, LabelImage],
    judged: list[Annotation],
    costs: GradeCosts | None,
    side_um: float,
) -> list[CandidateRegions]:
    from pathoai.store.slide_store import SlideStore
    from pathoai_annotations.region_candidates import RegionSpec, regions_of_slide

    spec = RegionSpec(side_um, costs)
    of_slide: dict[str, list[Annotation]] = {slide_id: [] for slide_id in labels}
    for annotation in judged:
        if annotation.slide_id in of_slide:
            of_slide[annotation.slide_id].append(annotation)
    found = []
    for key, label in labels.items():
        tissue = SlideStore(study.store_path(key)).tissue_if_known
        found.append(regions_of_slide(label, key, spec, of_slide[key], tissue))
    return found


def _counts(study: Study, judged: list[Annotation], channels: tuple[str, ...]) -> dict[int, int]:
    """Annotations that readers stand behind, by the channel that their class is a kind of."""
    from pathoai_annotations.annotation import OF_RECORD

    position = study.ontology.roll_up(channels)
    indices = (study.ontology[a.label].index for a in judged if a.status in OF_RECORD)
    return dict(Counter(position[index] for index in indices))


def _record(
    study: Study,
    options: Namespace,
    labels: dict[str, LabelImage],
    path: Path,
    costs: GradeCosts | None,
    started: str,
) -> None:
    from pathoai.provenance import sha256_of_json

    ProvenanceRecord(
        "queue",
        {
            "model": options.model,
            "count": options.n,
            "random_share": options.random_share,
            "seed": options.seed,
            "side_um": options.side,
            "reader": options.reader,
            "costs": costs.costs.to_dict() if costs else None,
        },
        {f"label/{key}/{one.name}": sha256_of_json(one.shards) for key, one in labels.items()},
        {f"queue/{options.model}": sha256_of_file(path)},
        started,
        utc_now(),
    ).write(study.provenance_path)


def _show(
    options: Namespace,
    candidates: CandidateRegions,
    queue: Queue,
    channels: tuple[str, ...],
    costs: GradeCosts | None,
) -> None:
    measure = f"expected cost ({costs.costs.key})" if costs else "uncertainty"
    print(
        f"{len(queue)} of {len(candidates)} regions by {measure} × diversity × rarity; "
        f"{int(queue.random.sum())} of them at random"
    )
    print(f"{'':>3} {'slide':<16} {'x':>7} {'y':>7} {'class':<24} cost divers. rarity")
    for place, at in enumerate(queue.region.tolist()):
        x, y = candidates.bounds[at, :2]
        print(
            f"{place + 1:>3} {candidates.slide_ids[candidates.slide[at]]:<16} {x:>7.0f} {y:>7.0f} "
            f"{channels[candidates.channel[at] - 1]:<24} {queue.cost[place]:>4.2f} "
            f"{queue.diversity[place]:>7.2f} {queue.rarity[place]:>6.2f}"
            f"{'  random' if queue.random[place] else ''}"
        )
    where = f"queue/{options.model}.csv in the study" if options.out is None else options.out.name
    print(f"Written to {where}. See them with:")
    reader = f" --reader {options.reader}" if options.reader else ""
    for slide_id in dict.fromkeys(candidates.slide_ids[candidates.slide[i]] for i in queue.region):
        print(f"  pathoai review {options.study} --slide {slide_id}{reader}")


COMMAND = Command(
    "queue",
    "rank what a pathologist should see next",
    "pathoai queue my-study --model breast-nuclei-segmentation --n 20",
    configure,
    run,
)
