"""``pathoai label --marker M``: how far finished labels can be trusted, and what they count."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from pathoai.errors import InvalidValueError
from pathoai.progress import progress_bar
from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
from pathoai.study.study import Study

if TYPE_CHECKING:  # zarr and torch are heavy, and needed only once the command runs
    from collections.abc import Callable

    from pathoai.ihc.audit_sample import AuditSample
    from pathoai.ihc.intensity_bins import IntensityBins
    from pathoai.ihc.marked_pair import MarkedPair
    from pathoai.ihc.precision import LabelPrecision
    from pathoai.ihc.recipe import MarkerRecipe
    from pathoai.ihc.stained_nuclei import StainedNuclei
    from pathoai.metrics.exact_interval import Share
    from pathoai.metrics.stratified_share import StratifiedShare
    from pathoai.store.label_image import LabelImage
    from pathoai.store.slide_store import SlideStore

_SIDE_UM = 64.0
PRECISION = "precision.json"


def configure_checks(parser: ArgumentParser) -> None:
    """Add what can be asked of the finished labels of a marker."""
    checks = parser.add_mutually_exclusive_group()
    checks.add_argument(
        "--audit",
        type=int,
        metavar="N",
        help="marker: draw N tiles of its labels at random, for a pathologist to judge; writes a "
        "sheet and a queue for `pathoai review`",
    )
    checks.add_argument(
        "--precision",
        action="store_true",
        help="marker: how often its labels are right, by the tiles of the audit that were judged",
    )
    checks.add_argument(
        "--counts",
        action="store_true",
        help="marker: positive cells and area, index and H-score by region, as CSV and JSON; "
        "proposals, no diagnosis",
    )
    parser.add_argument(
        "--bins",
        type=float,
        nargs=3,
        metavar=("WEAK", "MODERATE", "STRONG"),
        help="counts: from which optical density (natural logarithm) a nucleus is weak, moderate "
        "or strong (default: once, twice and three times each slide's own threshold)",
    )
    parser.add_argument("--seed", type=int, default=0, help="audit: of what is drawn (default: 0)")
    parser.add_argument(
        "--tile",
        type=float,
        default=_SIDE_UM,
        metavar="UM",
        help=f"audit: side of the tiles, µm (default: {_SIDE_UM:g})",
    )


def wants_check(options: Namespace) -> bool:
    """Whether finished labels are asked about, and none are to be made.

    Raises:
        InvalidValueError: No marker is named, or bins for what is not counted.
    """
    if options.bins and not options.counts:
        raise InvalidValueError("bins are of counts", where="--bins", remedy="add --counts")
    wanted = options.audit is not None or options.precision or options.counts
    if wanted and not options.marker:
        raise InvalidValueError(
            "this is asked of the labels of a marker",
            where="--audit, --precision, --counts",
            remedy="add --marker M",
        )
    return bool(wanted)


def check_labels(study: Study, options: Namespace) -> None:
    """Draw an audit, tell the precision, or count.

    Args:
        study: The study.
        options: ``marker``, ``recipe``, ``slides``, ``device`` and those of `configure_checks`.

    Raises:
        RecipeError: There is no recipe for the marker.
        StudyError: No slide has its label, it was not audited, or was made anew since.
    """
    from pathoai.ihc.recipe import load_recipe

    recipe = load_recipe(options.recipe or options.marker)
    if options.audit is not None:
        _draw(study, options, recipe)
    elif options.precision:
        _tell_precision(study, recipe)
    else:
        _count(study, options, recipe)


def _draw(study: Study, options: Namespace, recipe: MarkerRecipe) -> None:
    from pathoai.ihc.audit_sample import AuditSettings
    from pathoai.preprocess.device import choose_device
    from pathoai_annotations.audit.audit_queue import audit_table
    from pathoai_annotations.audit.draw_audit import SHEET, draw_study_audit

    started = utc_now()
    settings = AuditSettings(options.audit, options.seed, options.tile)
    with progress_bar(f"drawing tiles of {recipe.key}") as advance:
        sample = draw_study_audit(
            study,
            recipe.key,
            settings,
            device=choose_device(options.device),
            slides=options.slides,
            advance=advance,
        )
    _record_audit(study, sample, started)
    table = audit_table(study, recipe.key)
    print(_drawn(sample, options.audit))
    print(f"The sheet is audits/{recipe.key}/{SHEET} in the study. Judge the tiles with:")
    print(f"  pathoai review {study.path} --queue {table} --reader CODE")


def _drawn(sample: AuditSample, wanted: int) -> str:
    from pathoai.ihc.audit_stratum import AuditStratum

    parts = ", ".join(
        f"{sample.drawn(s)} of {sample.areas_mm2[s]:.4f} mm² {s.value}" for s in AuditStratum
    )
    fewer = "" if len(sample.tiles) == wanted else " (no more are apart from each other)"
    return f"{len(sample.tiles)} tiles of {len(sample.labels)} slides{fewer}: {parts}"


def _record_audit(study: Study, sample: AuditSample, started: str) -> None:
    from pathoai_annotations.audit.audit_queue import tiles_path

    path = tiles_path(study, sample.marker)
    ProvenanceRecord(
        "audit",
        {
            "marker": sample.marker,
            "tiles": len(sample.tiles),
            "seed": sample.settings.seed,
            "tile_um": sample.settings.tile_um,
        },
        {f"label/{code}/ihc/{sample.marker}": sha for code, sha in sample.labels.items()},
        {f"audits/{sample.marker}/{path.name}": sha256_of_file(path)},
        started,
        utc_now(),
    ).write(study.provenance_path)


def _tell_precision(study: Study, recipe: MarkerRecipe) -> None:
    from pathoai.atomic_file import write_text_atomically
    from pathoai.ihc.audit_sample import label_identity
    from pathoai.ihc.precision import of_all_markers
    from pathoai.ihc.saved_audit import load_audit
    from pathoai_annotations.audit.audit_queue import check_same_label, tiles_path
    from pathoai_annotations.audit.draw_audit import labelled_slides

    sample = load_audit(tiles_path(study, recipe.key))
    for store, label in labelled_slides(study, recipe.key, tuple(sample.labels)):
        check_same_label(sample, store.slide_id, label_identity(label))
    found = {recipe.key: _judged(study, sample)}
    for marker in study.audited_markers:
        if marker != recipe.key:
            found[marker] = _judged(study, load_audit(tiles_path(study, marker)))
    precision = found[recipe.key]
    text = json.dumps(precision.to_dict(), indent=1, sort_keys=True, allow_nan=False)
    write_text_atomically(study.audit_path(recipe.key) / PRECISION, text + "\n")
    print(_words(precision))
    read = [one for one in found.values() if one.read]
    if len(read) > 1:
        names = ", ".join(sorted(one.marker for one in read))
        print(f"{names} together: precision {_share(of_all_markers(read))}")


def _judged(study: Study, sample: AuditSample) -> LabelPrecision:
    from pathoai.ihc.precision import without_readings
    from pathoai_annotations.audit.judged_tiles import judged_precision
    from pathoai_annotations.journal.journal import Journal

    if not study.has_journal:
        # Opening one would make it: a trace of a question.
        return without_readings(sample)
    with Journal.open(study) as journal:
        return judged_precision(journal, sample)


def _words(found: LabelPrecision) -> str:
    from pathoai.ihc.audit_stratum import AuditStratum
    from pathoai.ihc.precision import PRECISION_MEANS

    positive = found.strata[AuditStratum.POSITIVE]
    readers = ", ".join(found.readers) or "nobody"
    head = f"{found.marker}: {found.read} of {found.tiles} tiles read by {readers}"
    if not found.read:
        return f"{head}; nothing is known of the precision yet"
    lines = [
        head,
        f"  precision {_share(found.precision)}: {PRECISION_MEANS}",
        f"  right where labelled negative {_share(found.of_negatives)}",
        f"  right in all, by area {_share(found.in_all)}",
    ]
    if positive.unsure:
        worst = positive.share_if_unsure_is_wrong
        lines.append(f"  precision if the {positive.unsure} unsure are wrong {_share(worst)}")
    if found.read < found.tiles:
        lines.append("  not all is read: tiles come slide by slide, so this is of some slides only")
    return "\n".join(lines)


def _share(share: Share | StratifiedShare) -> str:
    from pathoai.ihc.precision import share_dict

    shown = share_dict(share)
    if shown["estimate"] is None:
        return "not known: too few tiles are decided"
    return f"{shown['estimate']:.3f} (95 % {shown['low']:.3f} to {shown['high']:.3f})"


def _count(study: Study, options: Namespace, recipe: MarkerRecipe) -> None:
    from pathoai.cli.each_slide import for_each_slide
    from pathoai.ihc.stained_nuclei import find_stained_nuclei
    from pathoai.preprocess.device import choose_device
    from pathoai_annotations.audit.draw_audit import labelled_slides

    bins = _bins(options, recipe)
    labelled = {s.slide_id: (s, la) for s, la in labelled_slides(study, recipe.key, options.slides)}
    for_each_slide(
        [study.cohort[slide_id] for slide_id in labelled],
        f"counting {recipe.key}",
        lambda row, advance: _count_slide(
            study,
            recipe,
            labelled[row.slide_id],
            partial(
                find_stained_nuclei,
                device=choose_device(options.device),
                bins=bins,
                advance=advance,
            ),
        ),
    )
    print("Proposals for a doctor to check, no diagnosis.")


def _bins(options: Namespace, recipe: MarkerRecipe) -> IntensityBins | None:
    """Bins of intensity that were asked for."""
    from pathoai.ihc.intensity_bins import IntensityBins

    if options.bins is None:
        return None
    if recipe.compartment != "nucleus":
        raise InvalidValueError(
            "only nuclei are told apart by intensity",
            where="--bins",
            found=f"{recipe.key}: {recipe.compartment}",
            allowed="a marker of nuclei",
        )
    return IntensityBins(*options.bins)


def _count_slide(
    study: Study,
    recipe: MarkerRecipe,
    labelled: tuple[SlideStore, LabelImage],
    find: Callable[[MarkedPair, LabelImage], StainedNuclei],
) -> str:
    from pathoai.ihc.marked_pair import MarkedPair
    from pathoai.ihc.stained_nuclei import has_cells
    from pathoai.inference.marker_counts import MarkedSlide, count_marker, counts_paths
    from pathoai.registration.saved_registration import Registration
    from pathoai.store.slide_store import SlideStore
    from pathoai_annotations.annotated_areas import outlined_areas

    store, label = labelled
    moving = str(label.about["restained_slide"])
    pair = MarkedPair.seen(
        store,
        SlideStore(study.store_path(moving)),
        Registration.load(study.registration_path(store.slide_id, moving)),
        recipe,
        study.ontology,
    )
    trust = store.label(recipe.trust_label)
    nuclei = find(pair, trust) if has_cells(pair) else None
    areas = outlined_areas(study, store)
    slide = MarkedSlide(store, label, trust, nuclei, areas if len(areas) else None)
    counts = count_marker(slide)
    counts.write(*counts_paths(study.objects_path(store.slide_id, label.name)))
    return counts.words
