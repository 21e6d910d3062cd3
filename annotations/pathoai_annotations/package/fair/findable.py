"""Findable: identifiers, core metadata, links to the data, metadata that engines can read."""

from __future__ import annotations

import re
import uuid

from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.fair.documents import Documents
from pathoai_annotations.package.fair.metric import Metric

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_CORE = {
    "creator": "who made it",
    "name": "title",
    "identifier": "identifier",
    "publisher": "publisher",
    "datePublished": "date",
    "description": "summary",
    "keywords": "keywords",
}


def _identifier(documents: Documents) -> str:
    stated = {
        layout.METADATA: documents.crate.get("identifier"),
        layout.LANDING_PAGE: documents.dataset.get("identifier"),
        layout.CROISSANT: documents.croissant.get("identifier"),
        layout.DATAPACKAGE: documents.datapackage.get("id"),
    }
    for name, identifier in stated.items():
        if not _is_global(identifier):
            return f"{name} states no UUID or DOI as identifier"
    return "" if len(set(stated.values())) == 1 else "descriptions state different identifiers"


def _is_global(identifier: object) -> bool:
    if not isinstance(identifier, str):
        return False
    try:
        return uuid.UUID(identifier).urn == identifier
    except ValueError:
        return _DOI.search(identifier) is not None


def has_doi(documents: Documents) -> bool:
    """Whether a repository has given the package a DOI."""
    return _DOI.fullmatch(str(documents.datacite.get("doi", ""))) is not None


def _doi_record(documents: Documents) -> str:
    wanted = ("creators", "titles", "publisher", "publicationYear", "types", "schemaVersion")
    missing = [key for key in wanted if not documents.datacite.get(key)]
    if missing:
        return f"{layout.DATACITE} lacks what a DOI needs: {', '.join(missing)}"
    if "<identifier " not in documents.text(layout.DATACITE_XML):
        return f"{layout.DATACITE_XML} is no record of DataCite"
    return ""


def _core(documents: Documents) -> str:
    missing = [words for key, words in _CORE.items() if not documents.dataset.get(key)]
    return f"not said on {layout.LANDING_PAGE}: {', '.join(missing)}" if missing else ""


def _data_links(documents: Documents) -> str:
    links = documents.dataset.get("distribution") or []
    if not links:
        return f"{layout.LANDING_PAGE} names no file of data"
    for link in links:
        path = documents.files.get(str(link.get("contentUrl")))
        if path is None:
            return f"{layout.LANDING_PAGE} names a file that is not there"
        if link.get("sha256") != sha256_of_file(path):
            return f"{layout.LANDING_PAGE} states another hash than that of {link['contentUrl']}"
    return ""


def _engines(documents: Documents) -> str:
    if not documents.dataset:
        return f"no schema.org Dataset is embedded in {layout.LANDING_PAGE}"
    context = str(documents.dataset.get("@context", ""))
    return "" if "schema.org" in context else "the embedded Dataset names no context"


FINDABLE = (
    Metric("FsF-F1-01MD", "globally unique identifiers", _identifier),
    Metric("FsF-F1-02MD", "a registered persistent identifier", _doi_record, has_doi),
    Metric("FsF-F2-01M", "core metadata", _core),
    Metric("FsF-F3-01M", "metadata that link to the data", _data_links),
    Metric("FsF-F4-01M", "metadata that search engines read", _engines),
)
