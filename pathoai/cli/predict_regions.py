"""Running a model that names regions one by one over one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.cli.predict_work import PredictWork, network_of
from pathoai.cli.summarise_regions import summarise_regions
from pathoai.cluster.work_item import Done
from pathoai.errors import StoreError
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathlib import Path
    from typing import Any

    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.regions import Regions
    from pathoai.store.objects import ObjectTable
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study


def predict_regions(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Name the regions of one slide, write their table, their label and the provenance record."""
    import torch

    from pathoai.inference.predict_slide import prediction_name
    from pathoai.inference.regions import find_regions
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai.store.slide_store import SlideStore
    from pathoai.store.store_lock import locked
    from pathoai.study.study import Study

    if threads is not None:
        torch.set_num_threads(threads)
    started = utc_now()
    study, predictor = Study(work.study), region_predictor(work)
    store = SlideStore(study.store_path(work.slide_id))
    source = work.regions or predictor.decision.regions
    regions = find_regions(study, store, predictor.bundle, source)
    path = study.objects_path(work.slide_id, prediction_name(predictor.bundle.name))
    earlier = _earlier(path, store, predictor.about(store, regions), regions)
    has_map = regions.squares is not None
    if earlier is not None:
        summarise_regions(study, store, predictor, earlier, has_map=has_map)
        return Done(_summary(predictor, regions, earlier), skipped=True)
    with locked(store.path):
        table = _predicted(store, predictor, regions, path, advance)
    files = summarise_regions(study, store, predictor, table, has_map=has_map)
    ProvenanceRecord(
        "predict",
        {"model": predictor.bundle.name, "regions": source, **predictor.runtime},
        {
            f"store/{work.slide_id}": store.identity,
            f"regions/{work.slide_id}": regions.about["sha256"],
            "model": predictor.bundle.identity,
        },
        {f"objects/{work.slide_id}": sha256_of_file(path)} | files.hashes(work.slide_id),
        started,
        utc_now(),
    ).write(study.provenance_path)
    return Done(_summary(predictor, regions, table))


def _earlier(
    path: Path, store: SlideStore, about: dict[str, Any], regions: Regions
) -> ObjectTable | None:
    """The table that lies there, if it is of the same model, pixels and regions."""
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.store.label_image import is_label_complete
    from pathoai.store.objects import read_objects

    if regions.squares is not None and not is_label_complete(
        store.path, prediction_name(about["model"]), about
    ):
        return None
    try:
        table = read_objects(path)
    except StoreError:
        # None yet, or a damaged one whose remedy is to make it again.
        return None
    return table if table.source == about else None


def _predicted(
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    path: Path,
    advance: Advance,
) -> ObjectTable:
    """Ask, and write the label, if there is one, before the table that says all is done."""
    from pathoai.inference.kept_rows import KeptRows
    from pathoai.inference.predict_regions import (
        probabilities_of_regions,
        region_table,
        write_region_label,
    )
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.provenance import sha256_of_json
    from pathoai.store.objects import write_objects

    kept = KeptRows(
        path.with_name(f".{path.stem}.rows"),
        # Rows of two runtimes, alike as they are, shall not come together in one table.
        sha256_of_json(predictor.about(store, regions) | predictor.runtime),
        len(regions),
        len(predictor.bundle.classes),
    )
    found = probabilities_of_regions(store, predictor, regions, kept, advance)
    table = region_table(store, predictor, regions, found)
    if regions.squares is not None:
        name = prediction_name(predictor.bundle.name)
        write_region_label(store, predictor, regions, table, name)
    write_objects(path, table)
    kept.forget()
    return table


def _summary(predictor: RegionPredictor, regions: Regions, table: ObjectTable) -> str:
    """One line for people: how many of each class, of what, and what served nothing."""
    from pathoai.inference.regions import told

    indices = predictor.bundle.class_indices(predictor.ontology)
    counts = ", ".join(
        f"{int((table.class_index == index).sum())} {key}"
        for key, index in zip(predictor.bundle.classes, indices, strict=True)
    )
    left_out = told(regions.left_out)
    return (
        f"{counts} of {len(table)} regions ({regions.about['source']})"
        + (f"; left out: {left_out}" if left_out else "")
        + "; a doctor decides"
    )


def region_predictor(work: PredictWork) -> RegionPredictor:
    """The model, ready; refuses what cannot name regions of this study."""
    from pathoai.errors import InvalidValueError
    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.regions import check_source
    from pathoai.models.bundle import load_bundle
    from pathoai.preprocess.device import choose_device
    from pathoai.study.study import Study

    if work.ensemble or work.tta:
        raise InvalidValueError(
            "models that name regions are run alone; whether turns are averaged is in their bundle",
            where="--ensemble" if work.ensemble else "--tta",
            found=work.model,
            allowed="models that predict pixels",
        )
    study: Study = Study(work.study)
    folder, device = study.model_path(work.model), choose_device(work.device)
    bundle = load_bundle(folder)
    network = network_of(folder, bundle.identity, str(device), work.runtime)
    predictor = RegionPredictor(bundle, network, study.ontology, device, work.batch_size)
    check_source(work.regions or predictor.decision.regions)
    return predictor
