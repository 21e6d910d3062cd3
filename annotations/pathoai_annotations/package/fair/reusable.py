"""Reusable: content, licence, provenance, community standards, open formats."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path, PurePosixPath

from pathoai_annotations.package import layout
from pathoai_annotations.package.fair.documents import Documents, listed
from pathoai_annotations.package.fair.metric import Metric
from pathoai_annotations.package.licence import is_licence
from pathoai_annotations.package.parts import store_of

_STANDARDS = ("https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/wfrun/process/0.5")
_OF_ACTIONS = ("instrument", "agent", "object", "result", "endTime")
# Published specifications that anybody may implement, and the metric's scientific formats: what
# free software of the field reads.
_OPEN_FORMATS = frozenset(
    {".cff", ".csv", ".dcm", ".geojson", ".html", ".json", ".jsonl", ".md", ".ome", ".tif"}
    | {".tiff", ".ttl", ".txt", ".xml", ".png", ".svg", ".parquet"}
    | {".svs", ".ndpi", ".mrxs", ".dat", ".ini"}
)


def _content(documents: Documents) -> str:
    if documents.dataset.get("@type") != "Dataset":
        return f"{layout.LANDING_PAGE} does not say that this is a data set"
    for name, size in _sizes(documents).items():
        entity = documents.entities.get(name, {})
        if name == layout.METADATA:
            continue  # it cannot state its own size
        if entity.get("contentSize") != str(size):
            return f"{layout.METADATA} states another size of {name}, or none"
        if not entity.get("encodingFormat"):
            return f"{layout.METADATA} states no type of {name}"
    return _variables(documents)


def _sizes(documents: Documents) -> Counter[str]:
    """Bytes by identity in the crate: of files, and of stores over their files."""
    sizes: Counter[str] = Counter()
    for name, path in documents.files.items():
        store = store_of(name)
        sizes[f"{store}/" if store else name] += path.stat().st_size
    return sizes


def _variables(documents: Documents) -> str:
    resources = listed(documents.datapackage.get("resources"))
    if not resources:
        return f"{layout.DATAPACKAGE} describes no table"
    for resource in resources:
        stated = [field.get("name") for field in resource.get("schema", {}).get("fields", [])]
        if stated != _header(documents.payload / str(resource.get("path"))):
            return f"{layout.DATAPACKAGE} names other columns than {resource.get('path')} has"
    if not documents.dataset.get("variableMeasured"):
        return f"{layout.LANDING_PAGE} does not say what was measured"
    return ""


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf8") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _licence(documents: Documents) -> str:
    rights = listed(documents.datacite.get("rightsList"))
    licences = {
        layout.METADATA: _identity(documents.crate.get("license")),
        layout.LANDING_PAGE: documents.dataset.get("license"),
        layout.CROISSANT: documents.croissant.get("license"),
        layout.DATACITE: rights[0].get("rightsUri") if rights else None,
    }
    for name, licence in licences.items():
        if not isinstance(licence, str) or not is_licence(licence):
            return f"{name} names no licence of the SPDX list"
    return "" if len(set(licences.values())) == 1 else "descriptions name different licences"


def _identity(value: object) -> object:
    return value.get("@id") if isinstance(value, dict) else None


def _provenance(documents: Documents) -> str:
    actions = [e for e in documents.entities.values() if "CreateAction" in listed(e.get("@type"))]
    if not actions:
        return f"{layout.METADATA} does not say how the data came to be"
    for action in actions:
        missing = [k for k in ("instrument", "object", "result") if k not in action]
        if missing:
            return f"an action in {layout.METADATA} lacks {', '.join(missing)}"
    # Of a model's run it may not be known who started it, and when: of the package it is.
    if not any({"agent", "endTime"} <= action.keys() for action in actions):
        return f"no action in {layout.METADATA} says who did it, and when"
    for slide_id in layout.geojson_files(documents.root):
        if layout.journal_name(slide_id) not in documents.files:
            return f"the edits of slide {slide_id} are not in the package"
    return ""


def _community(documents: Documents) -> str:
    stated = {
        entity.get("@id")
        for holder in (documents.crate, documents.entities.get(layout.METADATA, {}))
        for entity in listed(holder.get("conformsTo"))
    }
    missing = [standard for standard in _STANDARDS if standard not in stated]
    if missing:
        return f"{layout.METADATA} does not conform to {missing[0]}"
    for slide_id, path in layout.geojson_files(documents.root).items():
        with path.open(encoding="utf8", errors="replace") as file:
            if '"FeatureCollection"' not in file.readline():
                return f"the annotations of slide {slide_id} are no GeoJSON"
    return ""


def _formats(documents: Documents) -> str:
    for name in documents.files:
        path = PurePosixPath(name)
        # Chunks of a Zarr array have no ending; their folder has.
        in_zarr = any(part.endswith(".zarr") for part in path.parts)
        if not in_zarr and path.suffix.lower() not in _OPEN_FORMATS:
            return f"{name} is in no open format that is known here"
    return "" if documents.files else "the package holds no file"


REUSABLE = (
    Metric("FsF-R1-01M", "what the data contain", _content),
    Metric("FsF-R1.1-01M", "a licence that machines read", _licence),
    Metric("FsF-R1.2-01M", "provenance", _provenance),
    Metric("FsF-R1.3-01M", "standards of the community", _community),
    Metric("FsF-R1.3-02D", "open file formats", _formats),
)
