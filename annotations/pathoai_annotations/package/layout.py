"""Names of the files of a package; whoever writes or reads one takes them from here.

::

    NAME/                          the bag (BagIt 1.0, RFC 8493)
      bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
      data/                        the crate (RO-Crate 1.3)
        ro-crate-metadata.json  index.html  README.md  LICENSE.txt
        annotations/geojson/<slide_id>.geojson
        tables/{slides,annotations,annotators}.csv
        vocab/classes.csv
        privacy/approval.json
        provenance/build.json
"""

from __future__ import annotations

PAYLOAD = "data"
"""The bag's payload folder, which is the crate's root; all names below are relative to it."""

CRATE = "ro-crate-metadata.json"
LANDING_PAGE = "index.html"
README = "README.md"
LICENCE = "LICENSE.txt"
GEOJSON_FOLDER = "annotations/geojson"
SLIDES = "tables/slides.csv"
ANNOTATIONS = "tables/annotations.csv"
ANNOTATORS = "tables/annotators.csv"
CLASSES = "vocab/classes.csv"
APPROVAL = "privacy/approval.json"
BUILD = "provenance/build.json"

BAG_DECLARATION = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".txt": "text/plain",
}


def geojson_name(slide_id: str) -> str:
    """Where the annotations of a slide lie."""
    return f"{GEOJSON_FOLDER}/{slide_id}.geojson"


def slide_of(name: str) -> str:
    """The slide whose annotations lie there; see :func:`geojson_name`."""
    return name.removeprefix(f"{GEOJSON_FOLDER}/").removesuffix(".geojson")
