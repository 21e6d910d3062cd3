"""Running a model that grades whole slides over one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.cli.mended import mended
from pathoai.cli.predict_work import PredictWork, network_of
from pathoai.cluster.work_item import Done
from pathoai.errors import StoreError
from pathoai.models.runtimes import AUTO, TORCH
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from typing import Any

    from pathoai.inference.grade_files import GradeFiles
    from pathoai.inference.grade_slide import SlideGrader
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.slide_place import SlidePlace
    from pathoai.study.study import Study


def predict_grade(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Grade one slide, write where the model looked, and the provenance record."""
    import torch

    from pathoai.inference.grade_files import GradeFiles
    from pathoai.inference.grade_slide import grade_name
    from pathoai.provenance import utc_now
    from pathoai.store.result_seal import ResultSeal
    from pathoai.store.slide_store import SlideStore

    if threads is not None:
        torch.set_num_threads(threads)
    started, place, grader = utc_now(), work.place, slide_grader(work)
    store = SlideStore(place.store_path)
    files, about = GradeFiles.of(place, grader.bundle.name), grader.about(store)
    _refuse_damaged_features(store, grader)
    seal = ResultSeal(place.seal_path(grade_name(grader.bundle.name)), files.all, about)
    said, altered = seal.said(), seal.damaged() | files.damaged_map(store, about)
    skipped = said is not None and not altered and files.finished(store, about) is not None
    if said is None or not skipped:
        seal.remove_partial_writes()
        said = _write_grade(place, store, grader, files, started)
        seal.write(said)
    advance(1, 1)
    return Done(said + mended(altered), skipped)


def _write_grade(
    place: SlidePlace, store: SlideStore, grader: SlideGrader, files: GradeFiles, started: str
) -> str:
    """Ask the model, and write what it says; returns that in one line."""
    from pathoai.provenance import ProvenanceRecord, utc_now

    grade, about = files.write(store, grader), grader.about(store)
    inputs: dict[str, Any] = {
        f"store/{place.slide_id}": store.identity,
        f"features/{place.slide_id}": about["features_sha256"],
        "model": grader.bundle.identity,
    }
    ProvenanceRecord(
        "predict", {"model": grader.bundle.name}, inputs, files.hashes(), started, utc_now()
    ).write(place.provenance_path)
    return f"{grade.summary}; a doctor decides"


def _refuse_damaged_features(store: SlideStore, grader: SlideGrader) -> None:
    """Stop before a grade rests on what no encoder gave.

    Raises:
        StoreError: A file of the features is missing or was altered.
    """
    from pathoai.store.file_hashes import damaged_files

    damaged = damaged_files(store.path, grader.features(store).shards)
    if damaged:
        name, fault = next(iter(damaged.items()))
        raise StoreError(
            "the features that the grade rests on are damaged",
            where=store.slide_id,
            found=f"{len(damaged)} files, first {name} ({fault})",
            remedy=f"run {grader.features_command}, which makes the damaged ones again",
        )


def slide_grader(work: PredictWork) -> SlideGrader:
    """The model, ready; refuses what cannot grade slides of these classes."""
    from pathoai.errors import InvalidValueError
    from pathoai.inference.grade_slide import SlideGrader
    from pathoai.models.bundle import load_bundle
    from pathoai.preprocess.device import choose_device

    if work.ensemble or work.tta:
        raise InvalidValueError(
            "models that grade slides are run alone",
            where="--ensemble" if work.ensemble else "--tta",
            found=work.model.name,
            allowed="models that predict pixels",
        )
    if work.runtime not in {AUTO, TORCH}:
        raise InvalidValueError(
            "models that grade slides are run by torch: what takes time is their features",
            where="--runtime",
            found=work.runtime,
            allowed=f"{AUTO}, {TORCH}",
        )
    device, bundle = choose_device(work.device), load_bundle(work.model)
    network = network_of(work.model, bundle.identity, str(device), TORCH)
    return SlideGrader(bundle, network, work.place.ontology, device)


def gather_grades(study: Study, model: str) -> None:
    """Write the table of all slides, once they are done."""
    from pathoai.inference.grade_table import write_grade_table
    from pathoai.models.bundle import load_bundle

    path = write_grade_table(study, load_bundle(study.model_path(model)))
    print(
        f"Table of all slides: predictions/{path.name} in the study. Proposals: a doctor decides."
    )
