"""``pathoai predict SLIDE --model BUNDLE --out STORE``: straight from a slide, without a study."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.commands.features import FeatureWork, features_one
from pathoai.cli.commands.tile import TileWork, tile_one
from pathoai.cli.mended import mended
from pathoai.cli.predict_kind import kind_of
from pathoai.cli.predict_work import PredictWork
from pathoai.cli.store_target import check_store_target, leaving_no_empty_folder
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.errors import InvalidValueError, MissingFileError, ModelError, NotCopyableError
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.models.bundle import ModelBundle
    from pathoai.preprocess.tiling_settings import TilingSettings
    from pathoai.study.cohort import CohortRow
    from pathoai.study.slide_place import SlidePlace

_TISSUE = "h-and-e"
_READERS = 2


@dataclass(frozen=True, slots=True)
class FileWork:
    """What is done for one slide, in this order.

    Args:
        tiling: The slide becomes a store.
        mpp: Scale to which it is resampled where its tiles cannot be copied; None keeps its own.
        features: Of the encoder that the model looks through, if it does.
        work: The model and the store.
        predict: Runs it.
    """

    tiling: TileWork
    mpp: float | None
    features: FeatureWork | None
    work: PredictWork
    predict: Callable[[PredictWork, int | None, Advance], Done]


def predict_file(work: FileWork, threads: int | None, advance: Advance) -> Done:
    """Tile a slide, and predict it; each goes on where an earlier run stopped."""
    from pathoai.store.reopen_damaged import reopen_damaged_image
    from pathoai.store.slide_store import is_complete

    path = work.tiling.place.store_path
    damaged = reopen_damaged_image(path) if is_complete(path) else {}
    parts = [_tiled(work, threads, advance)]
    if work.features is not None:
        parts.append(features_one(work.features, threads, advance))
    parts.append(work.predict(work.work, threads, advance))
    said = "; ".join(part.text for part in parts)
    return Done(said + mended(damaged), all(part.skipped for part in parts))


def _tiled(work: FileWork, threads: int | None, advance: Advance) -> Done:
    """The slide's own tiles copied, or, where they cannot be, resampled for the model."""
    settings = work.tiling.settings
    try:
        copied = replace(settings, encoding="source")
        return tile_one(replace(work.tiling, settings=copied), threads, advance)
    except NotCopyableError:
        resampled = replace(settings, mpp=work.mpp, encoding="resampled")
        if work.mpp is not None:
            resampled = replace(resampled, spec=replace(settings.spec, mpp=work.mpp))
        return tile_one(replace(work.tiling, settings=resampled), threads, advance)


def run_on_file(options: Namespace) -> None:
    """The command, for a slide file.

    Raises:
        PathoaiError: Whatever stops it.
    """
    from pathoai.cli.each_slide import Execution, run_over_slides
    from pathoai.models.bundle import load_bundle

    folders = tuple(_bundle_folder(name) for name in (options.model, *options.ensemble))
    bundle = load_bundle(folders[0])
    kind = kind_of(bundle, options.regions)
    row, slide_mpp = _identified(options)
    place = _place(options, row, bundle)
    work = PredictWork(
        place,
        folders[0],
        options.device,
        options.batch_size,
        ensemble=folders[1:],
        tta=options.tta,
        precision=options.precision,
        regions=options.regions,
        runtime=options.runtime,
    )
    # What cannot be is refused before a large file is copied.
    kind.ready(work)
    item = FileWork(
        TileWork(place, row, options.path, _settings(options)),
        # Pixels coarser than the model's stay as they are: nothing would make them sharper.
        bundle.spec.mpp if slide_mpp <= bundle.spec.mpp else None,
        _features(place, bundle, options.device) if kind.takes_features else None,
        work,
        kind.predict,
    )
    execution = Execution(retries=options.retries, threads=options.workers)
    with leaving_no_empty_folder(place.store_path):
        run_over_slides(
            [row], "predicting", lambda row: WorkItem(row.slide_id, predict_file, item), execution
        )
    names = f"{place.store_path.name} and {place.objects_folder.name}"
    print(f"slide {row.slide_id}: in {names}, side by side")


def _bundle_folder(name: str) -> Path:
    if not (folder := Path(name)).is_dir():
        raise MissingFileError(
            "no such model bundle",
            where="--model or --ensemble",
            found=folder.name,
            allowed="the folder of a bundle, which holds bundle.json",
        )
    return folder.absolute()


def _identified(options: Namespace) -> tuple[CohortRow, float]:
    """The slide's code and the hash of its file; and its scale, µm per pixel.

    Raises:
        InvalidValueError: The code that was asked for is none.
        PathoaiError: The slide cannot be opened.
    """
    from pathoai.geometry import Mpp
    from pathoai.privacy.pseudonym import code_of_content, is_code
    from pathoai.provenance import sha256_of_path
    from pathoai.slide.open_slide import open_slide
    from pathoai.study.cohort import CohortRow

    asked = options.slide_id
    if asked is not None and not is_code(asked):
        raise InvalidValueError(
            "a slide goes by a code, never by a name",
            where="--slide-id",
            allowed="16 digits and capital letters without I, L, O and U",
            remedy="leave it out: a code is made from the file's content",
        )
    stated = None if options.mpp is None else Mpp.square(options.mpp)
    with closing(open_slide(options.path, mpp=stated)) as reader:
        mpp = reader.info.mpp.mean
    digest = sha256_of_path(options.path)
    row = CohortRow(asked or code_of_content(digest), mpp=options.mpp, source_sha256=digest)
    return row, mpp


def _place(options: Namespace, row: CohortRow, bundle: ModelBundle) -> SlidePlace:
    """Where the store goes, if nothing else lies there.

    Raises:
        InvalidValueError: Something else does, or the place is none for a store.
        ModelError: The model's classes do not come along with pathoai.
    """
    from pathoai.ontology import load_ontology, shipped_ontologies
    from pathoai.study.slide_place import SlidePlace

    if bundle.ontology not in shipped_ontologies():
        raise ModelError(
            "the model is for an ontology that does not come along with pathoai",
            where=bundle.name,
            found=bundle.ontology,
            allowed=", ".join(shipped_ontologies()),
            remedy="predict in a study that has this ontology",
        )
    path = options.out.absolute()
    check_store_target(path, options.path, row)
    return SlidePlace.beside(path, row.slide_id, load_ontology(bundle.ontology))


def _settings(options: Namespace) -> TilingSettings:
    """As ``pathoai tile`` has them."""
    from pathoai.preprocess.tiling_settings import TilingSettings

    settings = TilingSettings(
        tissue_method=options.tissue or _TISSUE,
        workers=options.workers or _READERS,
        device=options.device,
    )
    if options.max_damaged is None:
        return settings
    return replace(settings, max_damaged=options.max_damaged)


def _features(place: SlidePlace, bundle: ModelBundle, device: str) -> FeatureWork:
    """The features that a model looks through.

    Raises:
        ModelError: Its encoder is not registered here, or other weights are.
    """
    from pathoai.models.encoder_registry import EncoderRegistry

    key = str(bundle.encoder.get("key", ""))
    encoder = EncoderRegistry().registered().get(key)
    if encoder is None:
        raise ModelError(
            "the model looks through an encoder whose weights are not registered here",
            where=bundle.name,
            found=key,
            remedy="get the weights from their publisher, then "
            f"`pathoai encoders register {key} FILE.safetensors`",
        )
    if encoder.sha256 != bundle.encoder.get("weights_sha256"):
        raise ModelError(
            "the weights that are registered are not those that the model was trained on",
            where=f"{bundle.name}, encoder {key}",
            found=f"SHA-256 {encoder.sha256[:12]}…",
            allowed=f"{str(bundle.encoder.get('weights_sha256'))[:12]}…",
            remedy=f"register those: `pathoai encoders register {key} FILE.safetensors`",
        )
    encoder.check_unchanged()
    weights = json.dumps(encoder.to_dict())
    return FeatureWork(place, key, weights, bundle.spec, "float16", device, None)
