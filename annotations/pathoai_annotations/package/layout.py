"""Where everything lies in a package; the one place that knows its file names.

::

    OUT/                                  BagIt 1.0 (RFC 8493)
      bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
      approval.json                       bound to the hash of manifest-sha256.txt
      signature.ed25519  signature.pub    where the package was signed
      data/                               RO-Crate 1.3
        ro-crate-metadata.json  README.md  LICENSE.txt  index.html
        annotations/geojson/<slide_id>.geojson
        annotations/dicom/<slide_id>.{ann,seg,sr}.dcm
        masks/<slide_id>.ome.zarr/      one part, of many files; of slides that were tiled
        images/<slide_id>/…             de-identified copies, where it leaves the institution
        pictures/<slide_id>.png         small ones of these, with the annotations drawn in
        tables/*.csv                      see table.py
        vocab/classes.{csv,ttl}
        CITATION.cff  datapackage.json  croissant.json
        catalogue/{datacite.json,datacite.xml,healthdcat-ap.ttl,transparency.json}
        privacy/{release,erasure}.json
        privacy/deid-report.json        where there are images: how each was de-identified
        provenance/journal-<slide_id>.jsonl
        provenance/loss-report.json     what masks and DICOM files lost against the GeoJSON
        provenance/model-cards/<model>-<hash>.md   of each model that proposed an outline
        provenance/registration/<slide_id>--<slide_id>.json   where a slide has a restained twin
        audits/<marker>.json            where labels were audited
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pathoai_annotations.package import table
from pathoai_annotations.package.table import TABLES

PAYLOAD = "data"
BAG_DECLARATION = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
TAG_FILES = (BAG_INFO, BAG_DECLARATION, MANIFEST, TAG_MANIFEST)
"""What every bag has beside its payload."""
APPROVAL = "approval.json"
SIGNATURE, SIGNER = "signature.ed25519", "signature.pub"
OTHER_TAG_FILES = (APPROVAL, SIGNATURE, SIGNER)
"""What it may have besides, and nothing else."""

METADATA = "ro-crate-metadata.json"
README = "README.md"
LICENCE = "LICENSE.txt"
LANDING_PAGE = "index.html"
SLIDES = table.SLIDES.path
ANNOTATIONS = table.ANNOTATIONS.path
ANNOTATORS = table.ANNOTATORS.path
CLASSES = table.CLASSES.path
CLASSES_SKOS = "vocab/classes.ttl"
CITATION = "CITATION.cff"
DATAPACKAGE = "datapackage.json"
CROISSANT = "croissant.json"
DATACITE = "catalogue/datacite.json"
DATACITE_XML = "catalogue/datacite.xml"
HEALTHDCAT = "catalogue/healthdcat-ap.ttl"
TRANSPARENCY = "catalogue/transparency.json"
CHANGES = "CHANGELOG.md"
RELEASE = "privacy/release.json"
ERASURE = "privacy/erasure.json"
DEID_REPORT = "privacy/deid-report.json"
LOSSES = "provenance/loss-report.json"
GEOJSON_FOLDER = "annotations/geojson"
DICOM_FOLDER = "annotations/dicom"
MASK_FOLDER = "masks"
IMAGE_FOLDER = "images"
PICTURE_FOLDER = "pictures"
JOURNAL_FOLDER = "provenance"
CARD_FOLDER = "provenance/model-cards"
REGISTRATION_FOLDER = "provenance/registration"
AUDIT_FOLDER = "audits"

_MEDIA_TYPES = {
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".dcm": "application/dicom",
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ini": "text/plain",
    ".md": "text/markdown",
    ".ndpi": "image/tiff",
    ".png": "image/png",
    ".ttl": "text/turtle",
    ".svs": "image/tiff",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".zarr": "application/vnd.zarr",
}
_DESCRIPTIONS = {
    README: "What this package holds, for people",
    LICENCE: "The licence",
    CHANGES: "What this version adds, changes and removes, and why",
    LANDING_PAGE: "Landing page, with schema.org metadata inside",
    CLASSES_SKOS: "The classes as a SKOS concept scheme, English and French, with codes",
    CITATION: "How to cite the package (Citation File Format 1.2)",
    DATAPACKAGE: "The tables, their columns and how they join (Frictionless Data Package)",
    CROISSANT: "The package as machine learning loads it (Croissant 1.1, RAI 1.0)",
    DATACITE: "Record for a DOI (DataCite 4.5, JSON)",
    DATACITE_XML: "Record for a DOI (DataCite kernel 4, XML)",
    HEALTHDCAT: "Record for catalogues of health data (HealthDCAT-AP)",
    LOSSES: "What masks and DICOM files lost against the GeoJSON, and which could not be made",
    TRANSPARENCY: "What the study tells the people whose slides it uses, English and French",
    ERASURE: "Who was taken out of the study: hashes of codes",
    DEID_REPORT: "How each slide's image was de-identified: kinds and counts of what was left "
    "behind, hashes of files and of pixels",
    RELEASE: "How far the package may travel, who exported it, when objections were applied",
}
_DICOM = {
    ".ann.dcm": "Outlines of the annotations of slide {} (DICOM bulk annotations)",
    ".seg.dcm": "Classes of the annotations of slide {} as a raster (DICOM segmentation)",
    ".sr.dcm": "Areas of classes, and the largest annotations, of slide {} (DICOM report)",
}
_TABLES = {table.path: table.description for table in TABLES}


def geojson_name(slide_id: str) -> str:
    """The payload name of a slide's annotations."""
    return f"{GEOJSON_FOLDER}/{slide_id}.geojson"


def journal_name(slide_id: str) -> str:
    """The payload name of the events that led to a slide's annotations."""
    return f"{JOURNAL_FOLDER}/journal-{slide_id}.jsonl"


def card_name(model: str) -> str:
    """The payload name of the card of a model that proposed annotations."""
    return f"{CARD_FOLDER}/{model}.md"


def registration_name(pair: str) -> str:
    """The payload name of how a slide lies on its restained twin."""
    return f"{REGISTRATION_FOLDER}/{pair}.json"


def mask_name(slide_id: str) -> str:
    """The payload name of the folder that holds a slide's masks."""
    return f"{MASK_FOLDER}/{slide_id}.ome.zarr"


def image_folder(slide_id: str) -> str:
    """The payload name of the folder that holds a slide's de-identified copy."""
    return f"{IMAGE_FOLDER}/{slide_id}"


def picture_name(slide_id: str) -> str:
    """The payload name of a small picture of a slide with its annotations."""
    return f"{PICTURE_FOLDER}/{slide_id}.png"


def audit_name(marker: str) -> str:
    """The payload name of what the audit of a marker's labels found."""
    return f"{AUDIT_FOLDER}/{marker}.json"


def geojson_files(root: Path) -> dict[str, Path]:
    """What lies where slides' annotations belong: name without ending → file, sorted."""
    folder = root / PAYLOAD / GEOJSON_FOLDER
    return {p.name.removesuffix(".geojson"): p for p in sorted(folder.glob("*.geojson"))}


def media_type(name: str) -> str:
    """The IANA media type of a payload file."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def description(name: str) -> str:
    """One line on what a payload file holds."""
    fixed = _DESCRIPTIONS.get(name) or _TABLES.get(name)
    if fixed is not None:
        return fixed
    if name.startswith(AUDIT_FOLDER):
        marker = PurePosixPath(name).stem
        return f"How precise the labels of {marker} are, by tiles that pathologists judged"
    if name.startswith(f"{MASK_FOLDER}/"):
        return (
            f"Classes and numbers of the annotations of slide {_code_in(name)} as masks "
            "(OME-Zarr 0.5)"
        )
    if name.startswith(f"{IMAGE_FOLDER}/"):
        return f"De-identified copy of slide {PurePosixPath(name).parts[1]}"
    if name.startswith(f"{PICTURE_FOLDER}/"):
        return f"Slide {PurePosixPath(name).stem} at a glance, its annotations drawn in"
    if name.startswith(f"{DICOM_FOLDER}/"):
        return _DICOM.get("".join(PurePosixPath(name).suffixes), "{}").format(_code_in(name))
    if name.startswith(f"{CARD_FOLDER}/"):
        return f"Card of the model {PurePosixPath(name).stem}, which proposed annotations"
    if name.startswith(f"{REGISTRATION_FOLDER}/"):
        return f"How slides {PurePosixPath(name).stem} were aligned, and how well that holds"
    code = PurePosixPath(name).stem.removeprefix("journal-")
    if name.startswith(GEOJSON_FOLDER):
        return f"Annotations of slide {code}, in pixels of its level 0, as QuPath reads them"
    return f"The edits that led to the annotations of slide {code}"


def _code_in(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[0]
