"""``pathoai annotations import|export|formats``: annotations from and for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.cli.command import add_action
from pathoai.errors import InvalidValueError, PathoaiError
from pathoai.provenance import utc_now
from pathoai.study.study import Study

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai_annotations.annotation import Annotation, Status
    from pathoai_annotations.formats.annotation_format import AnnotationFormat, WritingContext
    from pathoai_annotations.formats.exchange_report import ExchangeReport
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.slide_frame import SlideFrame


FILE = "FILE"
"""What messages call the file that is read."""
NOBODY = "import"
"""Under this code proposals come from files: it is no person's, and can stand behind nothing."""

_IMPORT_EXAMPLE = (
    "pathoai annotations import my-study from-qupath.geojson --slide ID --label nucleus"
)
_EXPORT_EXAMPLE = "pathoai annotations export my-study annotations.geojson --slide ID"
_FORMATS_EXAMPLE = "pathoai annotations formats"


def configure(words: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add the actions to those of ``pathoai annotations``."""
    read = add_action(words, "import", "read proposals from a file", _IMPORT_EXAMPLE)
    _configure_exchange(read, _import)
    _configure_reading(read)
    write = add_action(words, "export", "write annotations to a file", _EXPORT_EXAMPLE)
    _configure_exchange(write, _export)
    write.add_argument("--status", nargs="+", help="only of these (default: all but rejected)")
    write.add_argument("--author", metavar="CODE", help="only what this code last changed")
    write.add_argument("--mpp", type=float, help="of rasters, µm per pixel (default: about 0.5)")
    write.add_argument(
        "--region",
        nargs=4,
        type=float,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="only what touches this rectangle, level-0 pixels",
    )
    listed = add_action(
        words, "formats", "list the formats and what each cannot carry", _FORMATS_EXAMPLE
    )
    listed.set_defaults(action=list_formats)


def _configure_exchange(parser: ArgumentParser, action: object) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("file", type=Path, metavar="FILE", help="e.g. annotations.geojson")
    parser.add_argument("--slide", metavar="ID", help="its slide; needed if there are several")
    parser.add_argument(
        "--format", metavar="NAME", help="see `pathoai annotations formats` (default: by the file)"
    )
    parser.add_argument("--known-as", metavar="NAME", default="", help="what the file calls it")
    parser.add_argument(
        "--origin",
        choices=("canvas", "bounds"),
        help="what the file calls (0, 0): the corner of the whole canvas, or of its scanned part, "
        "as in QuPath (default: what the file says, or canvas)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FILE.dcm",
        help="a DICOM file of the slide, or their folder: the image that DICOM annotations are of",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.json", help="what was lost or repaired, as JSON"
    )
    parser.set_defaults(action=action)


def _configure_reading(parser: ArgumentParser) -> None:
    parser.add_argument("--author", default=NOBODY, help="code under which they enter")
    parser.set_defaults(writes=True)
    parser.add_argument("--label", help="class of features without one")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="FOREIGN=KEY",
        help="which class a name in the file is; as often as needed",
    )
    parser.add_argument(
        "--mpp", type=float, help="µm per unit of its coordinates, where not level-0 pixels"
    )
    parser.add_argument(
        "--class-column", metavar="NAME", default="", help="of a table: the column of classes"
    )
    parser.add_argument(
        "--measurement",
        action="append",
        default=[],
        metavar="NAME",
        help="keep this measurement, too: those of names that programs do not use are left out, "
        "for they may name a person; as often as needed",
    )
    parser.add_argument(
        "--repair", action="store_true", help="mend or leave out bad features, and say which"
    )


def list_formats() -> None:
    """Print every format: name, endings, directions, and what it cannot carry."""
    from pathoai import entry_points
    from pathoai_annotations.formats.annotation_format import GROUP, format_named

    for name in entry_points.names_in(GROUP):
        one = format_named(name)
        ways = " and ".join(w for w, can in (("in", one.reads), ("out", one.writes)) if can)
        print(f"{name}: {one.title} ({', '.join(one.suffixes)}), {ways}")
        if one.writes:
            lost = ", ".join(sorted(one.cannot_carry))
            print(f"    {f'cannot carry {lost}' if lost else 'carries everything'}")


def _import(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.foreign_words import with_known_words
    from pathoai_annotations.formats.annotation_format import ReadingContext, format_to_read
    from pathoai_annotations.formats.exchange_report import ExchangeReport
    from pathoai_annotations.slide_frame import Corner

    started, slide_id = utc_now(), _one_slide(study, options.slide)
    context = ReadingContext(
        slide_id,
        study.ontology,
        options.author,
        default_label=options.label,
        frame=_frame(study, slide_id),
        known_as=options.known_as,
        classes=_classes(options.classes),
        repair=options.repair,
        corner=None if options.origin is None else Corner(options.origin),
        mpp=options.mpp,
        class_column=options.class_column,
        source=options.source,
    )
    name, chosen = _named(options.format) or format_to_read(options.file)
    _check_direction(options.file, name, chosen.reads, "read")
    _check_use(name, chosen, options, ("source", "class_column"))
    report = ExchangeReport(name)
    if context.frame is None:
        report.note("the slide was not tiled yet: nothing could be said to lie off it")
    also = {*options.measurement, *(one.key for one in study.ontology.classes)}
    with _unnamed(options.file):
        found = [
            with_known_words(one, report, where=str(one.id), also=also)
            for one in chosen.read(options.file, context, report)
        ]
    report.unname(options.file.name)
    found = _without_known_otherwise(journal, found, report, repair=options.repair)
    new = journal.propose(found)
    said = {name: getattr(options, name) for name in ("author", "label", "repair", "mpp")}
    parts = said | {"slides": [slide_id], "annotations": len(found), "new": new}
    _record(study, "annotations import", options, report, parts, started)
    print(f"{slide_id}: {len(found)} annotations read, {new} new, all proposals")
    _tell(report, options.report)


def _without_known_otherwise(
    journal: Journal, found: list[Annotation], report: ExchangeReport, *, repair: bool
) -> list[Annotation]:
    """Leave out what the journal knows with another content, or refuse it: it keeps what it has."""
    from pathoai.errors import AnnotationError
    from pathoai_annotations.journal.known_otherwise import known_otherwise

    if not (differing := known_otherwise(journal, found)):
        return found
    if not repair:
        first = differing[0]
        raise AnnotationError(
            "an annotation of that id is known with another content",
            where=FILE,
            found=f"{len(differing)} of {len(found)}, the first {first.id}, {first.label}",
            remedy="say --repair: these are left out, and the study keeps its own; or give what "
            "was changed another id. In rasters (OME-Zarr) an outline lacks what others cover: "
            "GeoJSON and GeoParquet bring all back",
        )
    gone = {one.id for one in differing}
    for one in differing:
        report.mend(
            "an annotation that the study knows with another content, left out", str(one.id)
        )
    return [one for one in found if one.id not in gone]


@contextmanager
def _unnamed(file: Path) -> Iterator[None]:
    """Errors do not name the file: many are named after the patient, and logs are kept."""
    try:
        yield
    except PathoaiError as error:
        parts = (error.where, error.found, error.allowed, error.remedy)
        where, found, allowed, remedy = (
            None if part is None else str(part).replace(file.name, FILE) for part in parts
        )
        raise type(error)(
            error.what, where=where, found=found, allowed=allowed, remedy=remedy
        ) from error


def _export(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.formats.annotation_format import SeveralSlides, format_to_write
    from pathoai_annotations.formats.exchange_report import ExchangeReport

    started = utc_now()
    name, chosen = _named(options.format) or format_to_write(options.file)
    _check_direction(options.file, name, chosen.writes, "written")
    _check_use(name, chosen, options, ("source", "mpp"))
    wanted = statuses_named(options.status)
    ids = [row.slide_id for row in study.cohort]
    takes_all = isinstance(chosen, SeveralSlides) and options.slide is None and len(ids) > 1
    slides = ids if takes_all else [_one_slide(study, options.slide)]
    report = ExchangeReport(name)
    contexts = [_writing(study, slide_id, options, of_several=takes_all) for slide_id in slides]
    sheets = ((c, _chosen(journal, c.slide_id, wanted, options)) for c in contexts)
    if isinstance(chosen, SeveralSlides):
        count = chosen.write_slides(options.file, sheets, report)
    else:
        ((context, annotations),) = sheets
        count = chosen.write(options.file, annotations, context, report)
    parts = {"slides": slides, "annotations": count, "status": sorted(wanted)}
    parts |= {"author": options.author, "region": options.region}
    _record(study, "annotations export", options, report, parts, started)
    print(f"{slides[0] if len(slides) == 1 else f'{len(slides)} slides'}: ", end="")
    print(f"{count} annotations written")
    _tell(report, options.report)


def _chosen(
    journal: Journal,
    slide_id: str,
    wanted: set[Status],
    options: Namespace,
) -> Iterator[Annotation]:
    from pathoai.geometry import Region

    region = Region(*options.region) if options.region else None
    for annotation in journal.annotations(slide_id, status=wanted, region=region):
        if options.author in (None, annotation.author):
            yield annotation


def _writing(
    study: Study, slide_id: str, options: Namespace, *, of_several: bool
) -> WritingContext:
    from pathoai_annotations.formats.annotation_format import WritingContext
    from pathoai_annotations.slide_frame import Corner

    if of_several and options.known_as:
        raise InvalidValueError(
            "one name for several slides",
            where="--known-as",
            found=options.known_as,
            remedy="name the slide with --slide",
        )
    corner = Corner(options.origin or Corner.CANVAS)
    frame = _frame(study, slide_id)
    return WritingContext(
        slide_id,
        study.ontology,
        frame,
        options.known_as,
        corner,
        options.mpp,
        options.source,
    )


def statuses_named(words: list[str] | None) -> set[Status]:
    """The statuses that these words name; all but rejected without any.

    Raises:
        InvalidValueError: One is none.
    """
    from pathoai_annotations.annotation import Status

    if not words:
        return set(Status) - {Status.REJECTED}
    unknown = sorted(set(words) - set(Status))
    if unknown:
        raise InvalidValueError(
            "unknown status", found=", ".join(unknown), allowed=", ".join(Status)
        )
    return {Status(word) for word in words}


def _named(name: str | None) -> tuple[str, AnnotationFormat] | None:
    from pathoai_annotations.formats.annotation_format import format_named

    return None if name is None else (name, format_named(name))


def _check_direction(file: Path, name: str, can: bool, what: str) -> None:
    if not can:
        raise InvalidValueError(
            f"this format cannot be {what}",
            where=file.name,
            found=name,
            remedy="see `pathoai annotations formats`",
        )


def _check_use(
    name: str, chosen: AnnotationFormat, options: Namespace, fields: tuple[str, ...]
) -> None:
    """Refuse words that the format would not heed."""
    from pathoai_annotations.formats.annotation_format import TakesOptions

    takes = chosen.takes if isinstance(chosen, TakesOptions) else frozenset()
    unused = [f for f in fields if getattr(options, f) not in (None, "") and f not in takes]
    if unused:
        raise InvalidValueError(
            "this format has no use for it",
            where=", ".join(f"--{field.replace('_', '-')}" for field in unused),
            found=name,
            remedy="leave it out",
        )


def _one_slide(study: Study, slide_id: str | None) -> str:
    ids = [row.slide_id for row in study.cohort]
    if slide_id is None and len(ids) == 1:
        return ids[0]
    if slide_id is None:
        raise InvalidValueError(
            "which slide?", where="--slide", found=f"{len(ids)} slides", allowed=", ".join(ids)
        )
    return slide_id


def _frame(study: Study, slide_id: str) -> SlideFrame | None:
    """Of a slide that was tiled."""
    from pathoai.store.slide_store import SlideStore, is_complete
    from pathoai_annotations.slide_frame import SlideFrame

    path = study.store_path(slide_id)
    return SlideFrame.of(SlideStore(path)) if is_complete(path) else None


def _classes(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        foreign, sign, key = word.rpartition("=")
        if not (foreign and sign and key):
            raise InvalidValueError(
                "not a pair of classes", where="--class", found=word, allowed="FOREIGN=KEY"
            )
        found[foreign] = key
    return found


def _record(
    study: Study,
    command: str,
    options: Namespace,
    report: ExchangeReport,
    parts: dict[str, Any],
    started: str,
) -> None:
    """What went in or out, and which file by its hash: its words may name a person."""
    from pathoai.provenance import ProvenanceRecord, sha256_of_path

    counts = {"lost": sum(report.lost.values()), "repaired": sum(report.mended.values())}
    settings = {"format": report.format, "origin": options.origin} | parts | counts
    file = {"file": sha256_of_path(options.file)}
    inputs, outputs = (file, {}) if command.endswith("import") else ({}, file)
    ProvenanceRecord(command, settings, inputs, outputs, started, utc_now()).write(
        study.provenance_path
    )


def _tell(report: ExchangeReport, path: Path | None) -> None:
    import json

    from pathoai.atomic_file import write_text_atomically

    if path is None:
        for line in report.lines():
            print(line)
    else:
        write_text_atomically(path, json.dumps(report.to_dict(), indent=1) + "\n")
