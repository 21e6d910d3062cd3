"""``pathoai objects``: the regions of a dense label as outlines, one GeoParquet table per slide."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command
from pathoai.cli.slide_options import add_slides
from pathoai.errors import InvalidValueError

if TYPE_CHECKING:  # zarr is heavy, and needed only once the command runs
    from pathoai.store.label_image import LabelImage

_PREDICTION = "prediction/"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument(
        "--label", required=True, metavar="NAME", help="of the store, e.g. tissue, annotation/all"
    )
    parser.add_argument(
        "--classes", nargs="+", metavar="KEY", help="only these classes (default: all of the label)"
    )
    parser.add_argument(
        "--smallest-um2",
        type=float,
        default=0.0,
        metavar="AREA",
        help="leave out smaller regions (default: none)",
    )
    add_slides(parser)


def run(options: Namespace) -> None:
    from pathoai.cli.each_slide import chosen_slides, for_each_slide
    from pathoai.inference.find_objects import found_objects
    from pathoai.progress import Advance
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, sha256_of_json, utc_now
    from pathoai.store.objects import write_object_batches
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.cohort import CohortRow
    from pathoai.study.study import Study

    _check(options)
    study = Study(options.study)

    def work(row: CohortRow, advance: Advance) -> str:
        started = utc_now()
        label = SlideStore(study.store_path(row.slide_id)).label(options.label)
        chosen = _values(label, options.classes)
        path = study.objects_path(row.slide_id, label.name)
        found = found_objects(label, classes=chosen, smallest_um2=options.smallest_um2)
        count = write_object_batches(path, found)
        ProvenanceRecord(
            "objects",
            {"label": label.name, "classes": chosen, "smallest_um2": options.smallest_um2},
            {f"label/{row.slide_id}/{label.name}": sha256_of_json(label.shards)},
            {f"objects/{row.slide_id}": sha256_of_file(path)},
            started,
            utc_now(),
        ).write(study.provenance_path)
        advance(1, 1)
        return f"{count} regions of {label.name} outlined"

    for_each_slide(chosen_slides(study, options.slides), "outlining", work)


def _check(options: Namespace) -> None:
    if options.label.startswith(_PREDICTION):
        raise InvalidValueError(
            "objects of predictions are written with them",
            where="--label",
            found=options.label,
            remedy="pathoai predict",
        )
    if not options.smallest_um2 >= 0:
        raise InvalidValueError(
            "an area", where="--smallest-um2", found=options.smallest_um2, allowed="0 or more"
        )


def _values(label: LabelImage, keys: list[str] | None) -> tuple[int, ...]:
    """Values of the classes that are outlined, in the label's map."""
    if unknown := sorted(set(keys or ()) - set(label.classes)):
        raise InvalidValueError(
            "the label has no such class",
            where=f"--classes, {label.name}",
            found=", ".join(unknown),
            allowed=", ".join(label.classes),
        )
    return tuple(value for key, value in label.classes.items() if keys is None or key in keys)


COMMAND = Command(
    "objects",
    "outline the regions of a label: polygons as GeoParquet",
    "pathoai objects my-study --label annotation/all",
    configure,
    run,
)
