"""Running a model that names the class of every pixel over one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.cli.predict_work import PredictWork, network_of
from pathoai.cluster.work_item import Done
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.predictor import Predictor


def predict_pixels(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Predict one slide into its store, write its objects, its report and its provenance record."""
    from pathoai.inference.find_objects import objects_of
    from pathoai.inference.predict_slide import begun_elsewhere, predict_slide, prediction_name
    from pathoai.inference.slide_report import report_on
    from pathoai.inference.summary.known_in_study import predicted_in_study
    from pathoai.inference.write_summary import write_summary
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai.store.label_image import is_label_complete
    from pathoai.store.objects import write_object_batches
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

    started = utc_now()
    study, predictor = Study(work.study), pixel_predictor(work)
    bundle = predictor.bundle
    store = SlideStore(study.store_path(work.slide_id))
    name = prediction_name(bundle.name)
    path = study.objects_path(work.slide_id, name)
    skipped = is_label_complete(store.path, name, predictor.about(store)) and path.exists()
    anew = ["begun anew: it was begun elsewhere"] if begun_elsewhere(store, predictor) else []
    label = predict_slide(store, predictor, threads=threads, advance=advance)
    classes = tuple(bundle.class_indices(study.ontology)[1:])
    count = write_object_batches(path, objects_of(label, classes=classes))
    report = report_on(store, predictor, label, threads=threads)
    files = write_summary(predicted_in_study(study, store, bundle, label), report)
    ProvenanceRecord(
        "predict",
        {"model": bundle.name, **predictor.ensemble.about, "made_on": label.made_on},
        {f"store/{work.slide_id}": store.identity, "model": bundle.identity},
        {f"objects/{work.slide_id}": sha256_of_file(path)} | files.hashes(work.slide_id),
        started,
        utc_now(),
    ).write(study.provenance_path)
    text = f"{count} objects proposed by {bundle.name}; a doctor decides"
    return Done("; ".join([text, *anew, *report["warnings"]]), skipped)


def pixel_predictor(work: PredictWork) -> Predictor:
    """The model, ready; refuses what cannot predict this study."""
    from pathoai.inference.ensemble import Member
    from pathoai.inference.predictor import Predictor
    from pathoai.models.bundle import load_bundle
    from pathoai.models.runtimes import AUTO, TORCH
    from pathoai.preprocess.device import choose_device, choose_precision
    from pathoai.study.study import Study

    study = Study(work.study)
    device = choose_device(work.device)
    precision = choose_precision(work.precision, device)
    # Only torch computes in other numbers than those that a file was written in.
    runtime = TORCH if work.runtime == AUTO and precision != "float32" else work.runtime
    first, *others = (
        Member(
            bundle := load_bundle(folder),
            network_of(folder, bundle.identity, str(device), runtime),
        )
        for folder in map(study.model_path, (work.model, *work.ensemble))
    )
    return Predictor(
        first.bundle,
        first.network,
        study.ontology,
        device,
        work.batch_size,
        others=tuple(others),
        turned=work.tta,
        precision=precision,
    )
