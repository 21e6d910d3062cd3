"""Running a model that names regions one by one over one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.cli.mended import mended
from pathoai.cli.predict_work import PredictWork, members_of
from pathoai.cli.summarise_regions import summarise_regions
from pathoai.cluster.work_item import Done
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from typing import Any

    from pathoai.inference.kept_rows import KeptRows
    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.regions import Regions
    from pathoai.store.objects import ObjectTable
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.slide_place import SlidePlace


def predict_regions(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Name the regions of one slide, write their table, their label and the provenance record."""
    import torch

    from pathoai.inference.predict_slide import prediction_name
    from pathoai.inference.regions import find_regions
    from pathoai.inference.summary.known_in_study import known_in_study
    from pathoai.inference.write_summary import SummaryFiles
    from pathoai.provenance import utc_now
    from pathoai.store.objects import read_objects, write_objects
    from pathoai.store.result_seal import ResultSeal
    from pathoai.store.slide_store import SlideStore
    from pathoai.store.store_lock import locked

    if threads is not None:
        torch.set_num_threads(threads)
    started, place, predictor = utc_now(), work.place, region_predictor(work)
    store = SlideStore(place.store_path)
    source = work.regions or predictor.decision.regions
    regions = find_regions(place, store, predictor.bundle, source)
    name, about = prediction_name(predictor.bundle.name), predictor.about(store, regions)
    known = known_in_study(place, store, predictor.bundle)
    damaged = _damaged_label(store, name, about, regions)
    summary = SummaryFiles.beside(place.objects_path(name))
    files = (place.objects_path(name), summary.regions, summary.report)
    rests_on = about | known.about | {"ontology_version": place.ontology.version}
    seal = ResultSeal(place.seal_path(name), files, rests_on)
    said, altered = seal.said(), seal.damaged()
    whole = said is not None and not altered
    skipped = whole and _has_label(store, name, about, regions)
    if said is None or not skipped:
        seal.remove_partial_writes()
        kept = _kept_rows(place, store, predictor, regions)
        with locked(store.path):
            table = (
                read_objects(place.objects_path(name))
                if whole
                else _asked(store, predictor, regions, kept, advance)
            )
            _paint(store, predictor, regions, table, name)
            if not whole:
                write_objects(place.objects_path(name), table)
        summarise_regions(place, store, predictor, table, known)
        said = _summary(predictor, regions, table)
        _record(place, store, predictor, regions, source, started)
        seal.write(said)
        kept.forget()
    return Done(said + mended(damaged | altered), skipped)


def _damaged_label(
    store: SlideStore, name: str, about: dict[str, Any], regions: Regions
) -> dict[str, str]:
    from pathoai.store.reopen_damaged import reopen_damaged_label

    return {} if regions.squares is None else reopen_damaged_label(store, name, about)


def _has_label(store: SlideStore, name: str, about: dict[str, Any], regions: Regions) -> bool:
    """True where the label of the regions is finished, or they get none."""
    from pathoai.store.label_image import is_label_complete

    return regions.squares is None or is_label_complete(store.path, name, about)


def _record(
    place: SlidePlace,
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    source: str,
    started: str,
) -> None:
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.inference.write_summary import SummaryFiles
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now

    path = place.objects_path(prediction_name(predictor.bundle.name))
    ProvenanceRecord(
        "predict",
        {
            "model": predictor.bundle.name,
            "regions": source,
            **predictor.opinions,
            **predictor.runtime,
        },
        {
            f"store/{place.slide_id}": store.identity,
            f"regions/{place.slide_id}": regions.about["sha256"],
            "model": predictor.bundle.identity,
        },
        {f"objects/{place.slide_id}": sha256_of_file(path)}
        | SummaryFiles.beside(path).hashes(place.slide_id),
        started,
        utc_now(),
    ).write(place.provenance_path)


def _kept_rows(
    place: SlidePlace, store: SlideStore, predictor: RegionPredictor, regions: Regions
) -> KeptRows:
    """Where answers are kept until all is written."""
    from pathoai.inference.kept_rows import KeptRows
    from pathoai.inference.predict_slide import prediction_name
    from pathoai.provenance import sha256_of_json

    path = place.objects_path(prediction_name(predictor.bundle.name))
    return KeptRows(
        path.with_name(f".{path.stem}.rows"),
        # Rows of two runtimes, alike as they are, shall not come together in one table.
        sha256_of_json(predictor.about(store, regions) | predictor.runtime),
        len(regions),
        predictor.ensemble.outputs,
    )


def _asked(
    store: SlideStore,
    predictor: RegionPredictor,
    regions: Regions,
    kept: KeptRows,
    advance: Advance,
) -> ObjectTable:
    """What the model says of every region."""
    from pathoai.inference.predict_regions import answers_on_regions, region_table

    found = answers_on_regions(store, predictor, regions, kept, advance)
    return region_table(store, predictor, regions, found)


def _paint(
    store: SlideStore, predictor: RegionPredictor, regions: Regions, table: ObjectTable, name: str
) -> None:
    """Write the label, if there is to be one, from the table; whoever calls holds the lock."""
    from pathoai.inference.predict_regions import write_region_label

    if not _has_label(store, name, table.source, regions):
        write_region_label(store, predictor, regions, table, name)


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
    """The model, ready; refuses what cannot name regions of these classes."""
    from pathoai.inference.predict_regions import RegionPredictor
    from pathoai.inference.regions import check_source
    from pathoai.preprocess.device import choose_device

    device = choose_device(work.device)
    first, *others = members_of(work, str(device), work.runtime)
    predictor = RegionPredictor(
        first.bundle,
        first.network,
        work.place.ontology,
        device,
        work.batch_size,
        others=tuple(others),
        turned=work.tta,
    )
    check_source(work.regions or predictor.decision.regions, work.place)
    return predictor
