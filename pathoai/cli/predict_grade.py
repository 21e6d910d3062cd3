"""Running a model that grades whole slides over one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.cli.predict_work import PredictWork, network_of
from pathoai.cluster.work_item import Done
from pathoai.models.runtimes import AUTO, TORCH
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.grade_slide import SlideGrader
    from pathoai.study.study import Study


def predict_grade(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Grade one slide, write where the model looked, and the provenance record."""
    import torch

    from pathoai.inference.grade_files import GradeFiles
    from pathoai.provenance import ProvenanceRecord, utc_now
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

    if threads is not None:
        torch.set_num_threads(threads)
    started = utc_now()
    study, grader = Study(work.study), slide_grader(work)
    store = SlideStore(study.store_path(work.slide_id))
    files = GradeFiles.of(study, work.slide_id, grader.bundle.name)
    about = grader.about(store)
    earlier = files.finished(store, about)
    if earlier is not None:
        return Done(f"{earlier.summary}; a doctor decides", skipped=True)
    grade = files.write(store, grader)
    advance(1, 1)
    ProvenanceRecord(
        "predict",
        {"model": grader.bundle.name},
        {
            f"store/{work.slide_id}": store.identity,
            f"features/{work.slide_id}": about["features_sha256"],
            "model": grader.bundle.identity,
        },
        files.hashes(),
        started,
        utc_now(),
    ).write(study.provenance_path)
    return Done(f"{grade.summary}; a doctor decides")


def slide_grader(work: PredictWork) -> SlideGrader:
    """The model, ready; refuses what cannot grade this study's slides."""
    from pathoai.errors import InvalidValueError
    from pathoai.inference.grade_slide import SlideGrader
    from pathoai.models.bundle import load_bundle
    from pathoai.preprocess.device import choose_device
    from pathoai.study.study import Study

    if work.ensemble or work.tta:
        raise InvalidValueError(
            "models that grade slides are run alone",
            where="--ensemble" if work.ensemble else "--tta",
            found=work.model,
            allowed="models that predict pixels",
        )
    if work.runtime not in {AUTO, TORCH}:
        raise InvalidValueError(
            "models that grade slides are run by torch: what takes time is their features",
            where="--runtime",
            found=work.runtime,
            allowed=f"{AUTO}, {TORCH}",
        )
    study = Study(work.study)
    folder, device = study.model_path(work.model), choose_device(work.device)
    bundle = load_bundle(folder)
    network = network_of(folder, bundle.identity, str(device), TORCH)
    return SlideGrader(bundle, network, study.ontology, device)


def gather_grades(study: Study, model: str) -> None:
    """Write the table of all slides, once they are done."""
    from pathoai.inference.grade_table import write_grade_table
    from pathoai.models.bundle import load_bundle

    path = write_grade_table(study, load_bundle(study.model_path(model)))
    print(
        f"Table of all slides: predictions/{path.name} in the study. Proposals: a doctor decides."
    )
