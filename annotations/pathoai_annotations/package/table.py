"""The tables of a package: every column once, with its meaning, unit and the table it points to.

Case › specimen › block › slide › image follows the entities of the Bigpicture metadata standard
(MetaFleX 2.0). Schemas, catalogues and checks are made from what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from pathoai.errors import InvalidValueError

Kind = Literal["string", "integer", "number", "boolean", "date"]

_SCHEMA = "https://schema.org/"
_PROV = "http://www.w3.org/ns/prov#"
_SKOS = "http://www.w3.org/2004/02/skos/core#"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: As in the header.
        kind: Of its values.
        description: What it says, for people.
        unit: Of its numbers; empty where they have none.
        iri: A published term that means the same; empty where none is known.
        required: Whether no cell may be empty.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    iri: str = ""
    required: bool = False


@dataclass(frozen=True)
class Table:
    """One CSV file.

    Args:
        name: Of the table.
        path: Of the file, relative to the payload.
        description: What a row is.
        columns: In the order of the header.
        key: Columns that together name a row.
        references: Column → table and column that holds its values; an empty cell points nowhere.
        counts: Columns that count people or what belongs to them: masked below 11 where the package
            leaves the institution, and then text.

    Raises:
        InvalidValueError: Key, references or counts name no column of it.
    """

    name: str
    path: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    references: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    counts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names of columns that are not there."""
        unknown = {*self.key, *self.references, *self.counts} - set(self.header)
        if unknown:
            raise InvalidValueError(
                f"no such column in table {self.name}",
                found=", ".join(sorted(unknown)),
                allowed=", ".join(self.header),
            )

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)


def _id(name: str, description: str) -> Column:
    return Column(name, "string", description, iri=f"{_SCHEMA}identifier", required=True)


_MPP = "µm per pixel"
_PX = "pixel"

CASES = Table(
    "cases",
    "tables/cases.csv",
    "A case: one patient, by code. A slide whose patient is not known belongs to no case.",
    (
        _id("case_id", "Code of the patient in this study"),
        Column("centre_id", "string", "Code of the centre that the first of its slides came from"),
    ),
    ("case_id",),
)
SPECIMENS = Table(
    "specimens",
    "tables/specimens.csv",
    "A specimen. The study does not tell the specimens of a case apart, so one row stands for all "
    "that was taken from one patient, and its id is that of the case.",
    (
        _id("specimen_id", "Equal to the code of the case"),
        Column("case_id", "string", "The case that it was taken from", required=True),
    ),
    ("specimen_id",),
    {"case_id": ("cases", "case_id")},
)
BLOCKS = Table(
    "blocks",
    "tables/blocks.csv",
    "A paraffin block, by code. A slide whose block is not known belongs to none.",
    (
        _id("block_id", "Code of the block in this study"),
        Column("specimen_id", "string", "The specimen that it holds; empty where not known"),
    ),
    ("block_id",),
    {"specimen_id": ("specimens", "specimen_id")},
)
SLIDES = Table(
    "slides",
    "tables/slides.csv",
    "A slide with annotations, by code; level 0 is the full canvas of its finest image.",
    (
        _id("slide_id", "Code of the slide in this study"),
        Column("case_id", "string", "The case that it is of; empty where not known"),
        Column("block_id", "string", "The block that it was cut from; empty where not known"),
        Column("centre_id", "string", "Code of the centre that it came from; empty where unknown"),
        Column("stain", "string", "How it is stained: HE, HES, or a marker", required=True),
        Column("marker", "string", "What an immunohistochemical stain shows, where stain does not"),
        Column("scanner", "string", "Model of the scanner; empty where not known"),
        Column("grade", "string", "Class that stands for the whole slide; empty where not known"),
        Column(
            "source_sha256",
            "string",
            "SHA-256 of the file that the slide came in; empty in packages that leave the "
            "institution, where it could lead back to that file",
            iri=f"{_SCHEMA}sha256",
        ),
        Column("mpp_x", "number", "Scale of level 0 along x; empty where not known", _MPP),
        Column("mpp_y", "number", "Scale of level 0 along y; empty where not known", _MPP),
        Column("width_px", "integer", "Width of level 0; empty where not known", _PX),
        Column("height_px", "integer", "Height of level 0; empty where not known", _PX),
        Column("annotations", "integer", "Annotations of it in this package", required=True),
    ),
    ("slide_id",),
    {
        "case_id": ("cases", "case_id"),
        "block_id": ("blocks", "block_id"),
        "stain": ("stains", "stain"),
        "grade": ("classes", "key"),
    },
    ("annotations",),
)
IMAGES = Table(
    "images",
    "tables/images.csv",
    "An image file of a slide: by reference inside the institution, else a de-identified copy.",
    (
        _id("image_id", "Name of the image: code of the slide, and a number where it has several"),
        Column("slide_id", "string", "The slide that it shows", required=True),
        Column(
            "path",
            "string",
            "Where it lies in this package; empty where it is not in it",
            iri=f"{_SCHEMA}contentUrl",
        ),
        Column("media_type", "string", "Of a file in this package", iri=f"{_SCHEMA}encodingFormat"),
        Column("size_bytes", "integer", "Of a file in this package", iri=f"{_SCHEMA}contentSize"),
        Column(
            "sha256",
            "string",
            "SHA-256 of the file: of the copy in this package, else of the slide's own",
            iri=f"{_SCHEMA}sha256",
            required=True,
        ),
    ),
    ("image_id",),
    {"slide_id": ("slides", "slide_id")},
)
ANNOTATIONS = Table(
    "annotations",
    "tables/annotations.csv",
    "An annotation that a reader stands behind and signed off; its outline is in the slide's "
    "GeoJSON file.",
    (
        _id("annotation_id", "UUID of the annotation, the same in every version and format"),
        Column("slide_id", "string", "The slide that it lies on", required=True),
        Column("label", "string", "Its class", iri=f"{_SKOS}notation", required=True),
        Column("origin", "string", "Where it was first drawn", required=True),
        Column("status", "string", "validated or corrected", required=True),
        Column(
            "author",
            "string",
            "Code of who last changed it",
            iri=f"{_PROV}wasAttributedTo",
            required=True,
        ),
        Column("confidence", "number", "Probability that a model gave it, 0 to 1"),
        Column("derived_from", "string", "What it was made from", iri=f"{_PROV}wasDerivedFrom"),
        Column("geometry", "string", "Kind of geometry (GeoJSON)", required=True),
        Column("area_px", "number", "Its area", "square pixel of level 0", required=True),
    ),
    ("annotation_id",),
    {
        "slide_id": ("slides", "slide_id"),
        "label": ("classes", "key"),
        "author": ("annotators", "code"),
    },
)
ANNOTATORS = Table(
    "annotators",
    "tables/annotators.csv",
    "Who edited packaged annotations, by code.",
    (
        _id("code", "Of the person or program; never a name"),
        Column("kind", "string", "reader, proposer or demonstration", required=True),
        Column("edits", "integer", "Edits of packaged annotations, of any kind"),
        Column("validated", "integer", "Packaged annotations that it validated last"),
        Column("corrected", "integer", "Packaged annotations that it corrected last"),
    ),
    ("code",),
    counts=("edits", "validated", "corrected"),
)
SIGN_OFFS = Table(
    "sign_offs",
    "tables/sign_offs.csv",
    "A reader's last sign-off of a slide: with it he stands behind what he judged there before.",
    (
        _id("sign_off_id", "UUID of the sign-off"),
        Column("slide_id", "string", "The slide", required=True),
        Column("reader", "string", "Code of the reader; never a name", required=True),
        Column(
            "role",
            "string",
            "reader, blind-reader or adjudicator; empty where nobody was asked to read the slide",
        ),
        Column(
            "seq",
            "integer",
            "Its place among the edits in the slide's log: what is numbered before it is signed",
            required=True,
        ),
        Column("signed_at", "string", "When, ISO 8601, UTC", required=True),
        Column("grade", "string", "Class that the reader gave the slide; empty where none"),
        Column(
            "model_seen",
            "string",
            "yes or no: whether the reader saw what a model says; empty where nobody said",
        ),
        Column(
            "merged",
            "string",
            "Annotations that the reader judged right in his own copy of the journal: a merge kept "
            "another's word in the log, and his sign-off covers them as well",
        ),
    ),
    ("slide_id", "reader"),
    {"slide_id": ("slides", "slide_id"), "grade": ("classes", "key")},
)
AGREEMENT = Table(
    "agreement",
    "tables/agreement.csv",
    "A measure of how far readers agree, as the study's report has it; none where it has none.",
    (
        Column("line", "integer", "Place in the report", required=True),
        Column("section", "string", "Part of the report", required=True),
        Column("table", "string", "Table of that part", required=True),
        Column("row", "string", "What is measured: first cell of the row", required=True),
        Column("measure", "string", "Title of the column", required=True),
        Column("value", "number", "The measure, between -1 and 1", required=True),
    ),
    ("line",),
)
SPLITS = Table(
    "splits",
    "tables/splits.csv",
    "A slide's place in a split of the study, for the slides in this package.",
    (
        Column("split", "string", "Name of the split", required=True),
        Column("fold", "integer", "Its fold, from 1", required=True),
        Column("slide_id", "string", "The slide", required=True),
        Column("subset", "string", "train, validation or test", required=True),
    ),
    ("split", "fold", "slide_id"),
    {"slide_id": ("slides", "slide_id")},
)
STAINS = Table(
    "stains",
    "tables/stains.csv",
    "A stain, and how many packaged slides have it.",
    (
        _id("stain", "HE, HES, or a marker"),
        Column("description", "string", "What it is called in words", required=True),
        Column("slides", "integer", "Packaged slides that have it", required=True),
    ),
    ("stain",),
    counts=("slides",),
)
CLASSES = Table(
    "classes",
    "vocab/classes.csv",
    "A class that annotations may have: names, colour, place in the tree and codes.",
    (
        Column("index", "integer", "Its value in class maps", required=True),
        Column("key", "string", "Its name in files", iri=f"{_SKOS}notation", required=True),
        Column("name", "string", "English name", iri=f"{_SKOS}prefLabel", required=True),
        Column("name_fr", "string", "French name", iri=f"{_SKOS}prefLabel"),
        Column("colour", "string", "#rrggbb", iri=f"{_SCHEMA}color", required=True),
        Column("parent", "string", "The class that it is a kind of", iri=f"{_SKOS}broader"),
        Column("grade", "integer", "Its rank where classes are ordered"),
        Column(
            "codings",
            "string",
            "Codes of published terminologies as scheme:code (meaning), or why there is none",
            iri=f"{_SKOS}exactMatch",
        ),
    ),
    ("key",),
    {"parent": ("classes", "key")},
)
TABLES: tuple[Table, ...] = (
    CASES,
    SPECIMENS,
    BLOCKS,
    SLIDES,
    IMAGES,
    ANNOTATIONS,
    ANNOTATORS,
    SIGN_OFFS,
    AGREEMENT,
    SPLITS,
    STAINS,
    CLASSES,
)
"""Every table of a package; each is there, if only with its header."""
