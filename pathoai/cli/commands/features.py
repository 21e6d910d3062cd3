"""``pathoai features``: one vector per tile from a pretrained encoder, kept in the stores."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.cluster_options import add_cluster_options, chosen_cluster
from pathoai.cli.command import Command
from pathoai.cli.mended import mended
from pathoai.cli.slide_options import add_slides
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.errors import InvalidValueError
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.inference.extract_features import FeatureExtractor
    from pathoai.models.encoder import EncoderEntry
    from pathoai.models.encoder_network import TileEncoder
    from pathoai.models.encoder_registry import RegisteredEncoder
    from pathoai.store.features import Precision
    from pathoai.study.slide_place import SlidePlace
    from pathoai.tiling.spec import TileSpec

_WORKERS = 2


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "--encoder", required=True, metavar="KEY", help="registered by `pathoai encoders register`"
    )
    add_slides(parser)
    parser.add_argument(
        "--mpp", type=float, help="µm per pixel of the tiles (default: the encoder's)"
    )
    parser.add_argument(
        "--overlap", type=int, default=0, metavar="PX", help="what tiles share (default: 0)"
    )
    parser.add_argument(
        "--min-tissue", type=float, default=0.05, help="smallest share of tissue (default: 0.05)"
    )
    parser.add_argument(
        "--precision",
        choices=("float16", "float32"),
        default="float16",
        help="of the numbers kept (default: float16)",
    )
    parser.add_argument(
        "--batch-size", type=int, help="tiles (default: that of an interrupted run, or 32)"
    )
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
class FeatureWork:
    """What a process needs to encode one slide; the paths must be valid where it runs.

    Args:
        place: Where the slide's store lies.
        key: The encoder.
        weights: JSON of what the registry says of it: workers know no registry.
        spec: The tiles.
        precision: In which vectors are kept.
        device: Where the network computes, by name.
        batch_size: Tiles per batch; None takes that of an interrupted run, or the default.
    """

    place: SlidePlace
    key: str
    weights: str
    spec: TileSpec
    precision: Precision
    device: str
    batch_size: int | None


def features_one(work: FeatureWork, threads: int | None, advance: Advance) -> Done:
    """Encode one slide into its store, and write its provenance record."""
    import torch

    from pathoai.inference.extract_features import extract_features
    from pathoai.provenance import ProvenanceRecord, sha256_of_json, utc_now
    from pathoai.store.features import are_features_complete
    from pathoai.store.reopen_damaged import reopen_damaged_features
    from pathoai.store.slide_store import SlideStore

    if threads is not None:
        torch.set_num_threads(threads)
    started, place = utc_now(), work.place
    extractor, store = encoder_of(work), SlideStore(place.store_path)
    if threads is not None:
        extractor = replace(extractor, threads=threads)
    skipped, damaged = are_features_complete(store.path, extractor.recipe(store)), {}
    if skipped:
        damaged = reopen_damaged_features(store, store.features(work.key))
    found = extract_features(store, extractor, advance=advance)
    encoder = extractor.encoder
    ProvenanceRecord(
        "features",
        {"encoder": encoder.about, "tiles": found.spec.key, "precision": work.precision},
        {f"store/{place.slide_id}": store.identity, "encoder": encoder.sha256},
        {f"features/{place.slide_id}": sha256_of_json(found.shards)},
        started,
        utc_now(),
    ).write(place.provenance_path)
    said = f"{len(found)} tiles by {found.name}, licence {encoder.entry.licence}"
    return Done(said + mended(damaged), skipped and not damaged)


def encoder_of(work: FeatureWork) -> FeatureExtractor:
    """The encoder, ready; refuses what cannot encode these tiles."""
    from pathoai.inference.extract_features import FeatureExtractor
    from pathoai.preprocess.device import choose_device

    device = choose_device(work.device)
    encoder, network = _loaded(work.key, work.weights, str(device))
    return FeatureExtractor(encoder, network, device, work.spec, work.precision, work.batch_size)


@lru_cache(maxsize=1)
def _loaded(key: str, weights: str, device: str) -> tuple[RegisteredEncoder, TileEncoder]:
    """An encoder and its network; kept between slides as long as it is the same."""
    import torch

    from pathoai.models.encoder_registry import RegisteredEncoder
    from pathoai.models.encoder_weights import load_encoder

    encoder = RegisteredEncoder.from_dict(key, json.loads(weights))
    return encoder, load_encoder(encoder, torch.device(device))


def _spec(entry: EncoderEntry, options: Namespace) -> TileSpec:
    """The tiles that the options ask for, at a scale that the encoder takes."""
    from pathoai.tiling.spec import TileSpec

    mpp = entry.mpp if options.mpp is None else options.mpp
    if mpp is None:
        raise InvalidValueError(
            "this encoder has no scale of its own",
            where=entry.key,
            found="no --mpp",
            remedy="state the µm per pixel of the tiles, e.g. --mpp 0.5",
        )
    entry.check_mpp(mpp, where=entry.key)
    return TileSpec(entry.size_px, mpp, options.overlap, options.min_tissue)


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import Execution, chosen_slides, run_over_slides
    from pathoai.models.encoder_registry import EncoderRegistry
    from pathoai.study.study import Study

    study = Study(options.study.absolute())
    if options.workers is not None and options.workers < 1:
        raise InvalidValueError("workers", found=options.workers, allowed="1 or more")
    encoder = EncoderRegistry().get(options.encoder)
    spec, weights = _spec(encoder.entry, options), json.dumps(encoder.to_dict())
    cluster = chosen_cluster(options, options.workers or _WORKERS, device=options.device)
    execution = Execution(
        cluster, options.retries, threads=options.workers, wants_gpu=options.device != "cpu"
    )

    def item_of(slide_id: str) -> FeatureWork:
        return FeatureWork(
            study.place(slide_id),
            encoder.entry.key,
            weights,
            spec,
            options.precision,
            options.device,
            options.batch_size,
        )

    # What cannot be is refused once, here, and not once per slide; a cluster's workers load the
    # network, which may be large, themselves.
    if cluster is None:
        encoder_of(item_of(""))
    else:
        encoder.check_unchanged()
    run_over_slides(
        chosen_slides(study, options.slides),
        "encoding",
        lambda row: WorkItem(row.slide_id, features_one, item_of(row.slide_id)),
        execution,
    )


COMMAND = Command(
    "features",
    "encode the tiles of the slides by a pretrained encoder",
    "pathoai features my-study --encoder efficientnet-lite0 --mpp 0.5",
    configure,
    run,
)
