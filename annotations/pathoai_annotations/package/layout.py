"""Where everything lies in a package; the one place that knows its file names.

::

    OUT/                                  BagIt 1.0 (RFC 8493)
      bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
      data/                               RO-Crate 1.3
        ro-crate-metadata.json  README.md  LICENSE.txt  index.html
        annotations/geojson/<slide_id>.geojson
        tables/{slides,annotations,annotators}.csv
        vocab/classes.csv
        privacy/approval.json
        provenance/journal-<slide_id>.jsonl
        audits/<marker>.json            where labels were audited
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

PAYLOAD = "data"
BAG_DECLARATION = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
TAG_FILES = (BAG_INFO, BAG_DECLARATION, MANIFEST, TAG_MANIFEST)
"""The only files outside the payload."""

METADATA = "ro-crate-metadata.json"
README = "README.md"
LICENCE = "LICENSE.txt"
LANDING_PAGE = "index.html"
SLIDES = "tables/slides.csv"
ANNOTATIONS = "tables/annotations.csv"
ANNOTATORS = "tables/annotators.csv"
CLASSES = "vocab/classes.csv"
APPROVAL = "privacy/approval.json"
GEOJSON_FOLDER = "annotations/geojson"
JOURNAL_FOLDER = "provenance"
AUDIT_FOLDER = "audits"

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".txt": "text/plain",
}
_DESCRIPTIONS = {
    README: "What this package holds, for people",
    LICENCE: "The licence",
    LANDING_PAGE: "Landing page, with schema.org metadata inside",
    SLIDES: "The slides: code, hash of the source file, scale and size of level 0",
    ANNOTATIONS: "One row for each annotation",
    ANNOTATORS: "Who annotated, by code",
    CLASSES: "What each class means: names, colour, parent and codes of terminologies",
    APPROVAL: "Who approved the release, and when the list of opposed patients was applied",
}


def geojson_name(slide_id: str) -> str:
    """The payload name of a slide's annotations."""
    return f"{GEOJSON_FOLDER}/{slide_id}.geojson"


def journal_name(slide_id: str) -> str:
    """The payload name of the events that led to a slide's annotations."""
    return f"{JOURNAL_FOLDER}/journal-{slide_id}.jsonl"


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
    fixed = _DESCRIPTIONS.get(name)
    if fixed is not None:
        return fixed
    if name.startswith(AUDIT_FOLDER):
        marker = PurePosixPath(name).stem
        return f"How precise the labels of {marker} are, by tiles that pathologists judged"
    code = PurePosixPath(name).stem.removeprefix("journal-")
    if name.startswith(GEOJSON_FOLDER):
        return f"Annotations of slide {code}, in pixels of its level 0, as QuPath reads them"
    return f"The edits that led to the annotations of slide {code}"
