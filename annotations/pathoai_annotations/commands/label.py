"""``pathoai label``: labels for training, from stain or from annotations."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.cli.slide_options import add_slides, complete_codes
from pathoai.errors import InvalidValueError
from pathoai.progress import Advance
from pathoai.provenance import utc_now
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study
from pathoai_annotations.commands.label_checks import (
    check_labels,
    configure_checks,
    wants_check,
)
from pathoai_annotations.commands.label_record import record_labels

_OF_ANNOTATIONS = ("author", "unsigned", "with_proposals", "exhaustive", "read_regions")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--method",
        choices=("hematoxylin", "annotations"),
        help="hematoxylin: nuclei by colour, proposals that no pathologist has seen; "
        "annotations: what the journal holds",
    )
    what.add_argument(
        "--marker",
        metavar="M",
        help="where the restained twin of each H&E slide shows this marker, e.g. AE1AE3; for pairs "
        "that `pathoai register` aligned",
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="marker: a recipe of your own (YAML)"
    )
    configure_checks(parser)
    add_slides(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument("--author", default="", help="annotations: only of this code")
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="annotations: also those whose reader has not signed the slide off",
    )
    parser.add_argument(
        "--with-proposals",
        action="store_true",
        help="annotations: also those nobody judged, or signed off",
    )
    parser.add_argument(
        "--exhaustive",
        action="store_true",
        help="annotations: tissue without an outline is background, not unknown",
    )
    parser.add_argument(
        "--read-regions",
        action="store_true",
        help="annotations: only regions that a reader accepted or corrected in `pathoai review` "
        "count: in them what has no outline is background, outside of them all is unknown; the "
        "label is annotation/CODE.read",
    )


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import chosen_slides, for_each_slide

    study = Study(options.study)
    complete_codes(study, options)
    _check_use(options)
    if wants_check(options):
        check_labels(study, options)
        return
    if options.marker:
        from pathoai_annotations.commands.label_marker import label_pairs

        label_pairs(study, options)
        return
    if options.recipe:
        raise InvalidValueError("a recipe is for a marker", where="--recipe", remedy="add --marker")
    work = _hematoxylin if options.method == "hematoxylin" else _annotations
    for_each_slide(
        chosen_slides(study, options.slides),
        "labelling",
        lambda row, advance: work(study, options, row, advance),
    )


def _check_use(options: Namespace) -> None:
    """Refuse words that only labels from annotations heed."""
    given = [name for name in _OF_ANNOTATIONS if getattr(options, name)]
    if given and options.method != "annotations":
        raise InvalidValueError(
            "only labels from annotations heed this",
            where=", ".join(f"--{name.replace('_', '-')}" for name in given),
            found=f"--marker {options.marker}" if options.marker else f"--method {options.method}",
            allowed="--method annotations",
            remedy="leave it out",
        )


def _hematoxylin(study: Study, options: Namespace, row: CohortRow, advance: Advance) -> str:
    from pathoai.inference.find_objects import find_objects
    from pathoai.preprocess.device import choose_device
    from pathoai.preprocess.hematoxylin_nuclei import label_nuclei
    from pathoai.store.objects import write_objects
    from pathoai.store.slide_store import SlideStore
    from pathoai_annotations.annotation import Origin
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.proposals import proposals_of

    started = utc_now()
    store = SlideStore(study.store_path(row.slide_id))
    nucleus = study.ontology["nucleus"]
    label = label_nuclei(store, nucleus, choose_device(options.device), advance=advance)
    objects = find_objects(label, classes=(nucleus.index,))
    write_objects(study.objects_path(row.slide_id, label.name), objects)
    with Journal.open(study) as journal:
        new = journal.propose(
            proposals_of(
                objects, row.slide_id, study.ontology, origin=Origin.IMPORT, author="hematoxylin"
            )
        )
    record_labels(study, row, (label,), started)
    return f"{len(objects)} nuclei proposed by colour alone ({new} new), seen by no pathologist"


def _annotations(study: Study, options: Namespace, row: CohortRow, advance: Advance) -> str:
    from pathoai.store.slide_store import SlideStore
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.rasterise_annotations import AnnotationChoice, rasterise_annotations
    from pathoai_annotations.record import slide_record
    from pathoai_annotations.review.improve import read_regions

    started = utc_now()
    choice = AnnotationChoice(
        options.author,
        options.with_proposals,
        options.exhaustive,
        options.unsigned,
        options.read_regions,
    )
    store = SlideStore(study.store_path(row.slide_id))
    with Journal.open(study) as journal:
        annotations = journal.annotations(row.slide_id)
        of_record = slide_record(journal, row.slide_id).ids
        wanted = options.read_regions
        read = read_regions(journal, row.slide_id, author=options.author) if wanted else {}
    label = rasterise_annotations(
        store,
        annotations,
        study.ontology,
        choice,
        of_record=of_record,
        regions=read.get(row.slide_id, ()),
        advance=advance,
    )
    record_labels(study, row, (label,), started)
    regions = f" in {len(read[row.slide_id])} read regions" if wanted else ""
    return f"label {label.name}: {label.about['description']}{regions}"


COMMAND = Command(
    "label",
    "make labels for training",
    "pathoai label my-study --method hematoxylin",
    configure,
    run,
)
