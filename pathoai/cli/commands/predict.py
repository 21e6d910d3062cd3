"""``pathoai predict``: a model's probabilities, class map and objects for each slide."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", required=True, metavar="NAME", help="a model of the study")
    parser.add_argument("--slides", nargs="+", metavar="ID", help="only these slides")
    parser.add_argument("--batch-size", type=int, default=8, help="tiles (default: 8)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import chosen_slides, for_each_slide
    from pathoai.inference.find_objects import find_objects
    from pathoai.inference.predict_slide import Predictor, predict_slide
    from pathoai.models.bundle import load_bundle, load_network
    from pathoai.preprocess.device import choose_device
    from pathoai.progress import Advance
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai.store.objects import write_objects
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study

    study = Study(options.study)
    folder = study.model_path(options.model)
    bundle, device = load_bundle(folder), choose_device(options.device)
    network = load_network(folder, bundle, device)
    predictor = Predictor(bundle, network, study.ontology, device, options.batch_size)

    def work(row: CohortRow, advance: Advance) -> str:
        started = utc_now()
        store = SlideStore(study.store_path(row.slide_id))
        label = predict_slide(store, predictor, advance=advance)
        classes = tuple(bundle.class_indices(study.ontology)[1:])
        objects = find_objects(label, classes=classes)
        path = study.objects_path(row.slide_id, label.name)
        write_objects(path, objects)
        ProvenanceRecord(
            "predict",
            {"model": bundle.name},
            {f"store/{row.slide_id}": store.identity, "model": bundle.identity},
            {f"objects/{row.slide_id}": sha256_of_file(path)},
            started,
            utc_now(),
        ).write(study.provenance_path)
        return f"{len(objects)} objects proposed by {bundle.name}; a doctor decides"

    for_each_slide(chosen_slides(study, options.slides), "predicting", work)


COMMAND = Command(
    "predict",
    "run a model over the slides",
    "pathoai predict my-study --model breast-nuclei-segmentation",
    configure,
    run,
)
