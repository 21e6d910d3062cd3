"""Running a model that names the class of every pixel over one slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathoai.cli.mended import mended
from pathoai.cli.predict_work import PredictWork, members_of
from pathoai.cluster.work_item import Done
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.predictor import Predictor
    from pathoai.inference.summary.known_in_study import KnownInStudy
    from pathoai.store.label_image import LabelImage
    from pathoai.store.result_seal import ResultSeal
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.slide_place import SlidePlace


def predict_pixels(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Predict one slide into its store, write its objects, its report and its provenance record."""
    from pathoai.inference.predict_slide import begun_elsewhere, predict_slide, prediction_name
    from pathoai.inference.summary.known_in_study import known_in_study
    from pathoai.provenance import utc_now
    from pathoai.store.label_image import is_label_complete
    from pathoai.store.reopen_damaged import reopen_damaged_label
    from pathoai.store.slide_store import SlideStore

    started, predictor = utc_now(), pixel_predictor(work)
    store = SlideStore(work.place.store_path)
    name, about = prediction_name(predictor.bundle.name), predictor.about(store)
    damaged = reopen_damaged_label(store, name, about)
    skipped = is_label_complete(store.path, name, about)
    anew = "; begun anew: it was begun elsewhere" if begun_elsewhere(store, predictor) else ""
    label = predict_slide(store, predictor, threads=threads, advance=advance)
    known = known_in_study(work.place, store, predictor.bundle)
    seal = _seal(work.place, label, known)
    said, altered = seal.said(), seal.damaged()
    if said is None or altered:
        seal.remove_partial_writes()
        results = _Results(work.place, store, predictor, label, known)
        said = results.write(started, threads)
        seal.write(said)
        skipped = False
    return Done(said + anew + mended(damaged | altered), skipped)


def _seal(place: SlidePlace, label: LabelImage, known: KnownInStudy) -> ResultSeal:
    """On what is written of a label beside its store."""
    from pathoai.inference.write_summary import SummaryFiles
    from pathoai.provenance import sha256_of_json
    from pathoai.store.result_seal import ResultSeal

    rests_on = (
        label.about
        | {"label_sha256": sha256_of_json(label.shards)}
        | known.about
        | {"ontology_version": place.ontology.version}
    )
    objects = place.objects_path(label.name)
    summary = SummaryFiles.beside(objects)
    files = (objects, summary.regions, summary.report)
    return ResultSeal(place.seal_path(label.name), files, rests_on)


@dataclass(frozen=True)
class _Results:
    """All that follows from a finished label."""

    place: SlidePlace
    store: SlideStore
    predictor: Predictor
    label: LabelImage
    known: KnownInStudy

    def write(self, started: str, threads: int | None) -> str:
        """Write it; returns what is said of it in one line."""
        from pathoai.inference.find_objects import objects_of
        from pathoai.inference.slide_report import report_on
        from pathoai.inference.summary.known_in_study import predicted_slide
        from pathoai.inference.write_summary import write_summary
        from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
        from pathoai.store.objects import write_object_batches

        place, bundle, label = self.place, self.predictor.bundle, self.label
        path = place.objects_path(label.name)
        classes = tuple(bundle.class_indices(place.ontology)[1:])
        count = write_object_batches(path, objects_of(label, classes=classes))
        report = report_on(self.store, self.predictor, label, threads=threads)
        slide = predicted_slide(place, self.store, label, self.known)
        files = write_summary(slide, report)
        ProvenanceRecord(
            "predict",
            {"model": bundle.name, **self.predictor.ensemble.about, "made_on": label.made_on},
            {f"store/{place.slide_id}": self.store.identity, "model": bundle.identity},
            {f"objects/{place.slide_id}": sha256_of_file(path)} | files.hashes(place.slide_id),
            started,
            utc_now(),
        ).write(place.provenance_path)
        text = f"{count} objects proposed by {bundle.name}; a doctor decides"
        return "; ".join([text, *report["warnings"]])


def pixel_predictor(work: PredictWork) -> Predictor:
    """The model, ready; refuses what cannot predict slides of these classes."""
    from pathoai.inference.predictor import Predictor
    from pathoai.models.runtimes import AUTO, TORCH
    from pathoai.preprocess.device import choose_device, choose_precision

    device = choose_device(work.device)
    precision = choose_precision(work.precision, device)
    # Only torch computes in other numbers than those that a file was written in.
    runtime = TORCH if work.runtime == AUTO and precision != "float32" else work.runtime
    first, *others = members_of(work, str(device), runtime)
    return Predictor(
        first.bundle,
        first.network,
        work.place.ontology,
        device,
        work.batch_size,
        others=tuple(others),
        turned=work.tta,
        precision=precision,
    )
