"""Interoperable: formal metadata, registered vocabularies, qualified links."""

from __future__ import annotations

from pathoai_annotations.package import layout
from pathoai_annotations.package.fair.documents import Documents, listed
from pathoai_annotations.package.fair.metric import Metric

_TERMINOLOGIES = ("http://snomed.info/id/", "http://purl.obolibrary.org/obo/NCIT_")
_VOCABULARIES = {
    layout.CLASSES_SKOS: ("http://www.w3.org/2004/02/skos/core#",),
    layout.HEALTHDCAT: (
        "http://www.w3.org/ns/dcat#",
        "http://purl.org/dc/terms/",
        "https://w3id.org/dpv#",
    ),
    layout.CROISSANT: ("http://purl.obolibrary.org/obo/DUO_", "http://www.w3.org/ns/prov#"),
}


def _formal(documents: Documents) -> str:
    if not documents.dataset:
        return f"no JSON-LD is embedded in {layout.LANDING_PAGE}"
    if not documents.entities:
        return f"{layout.METADATA} is no JSON-LD"
    links = {href for rel, href in documents.page.links if rel == "describedby"}
    unlinked = {layout.METADATA, layout.CROISSANT, layout.HEALTHDCAT} - links
    if unlinked:
        return f"no typed link leads from {layout.LANDING_PAGE} to {', '.join(sorted(unlinked))}"
    return ""


def _vocabularies(documents: Documents) -> str:
    for name, namespaces in _VOCABULARIES.items():
        text = documents.text(name)
        missing = [namespace for namespace in namespaces if namespace not in text]
        if missing:
            return f"{name} does not use {missing[0]}"
    lines = documents.text(layout.CLASSES_SKOS).splitlines()
    matches = [line for line in lines if line.lstrip().startswith("skos:exactMatch ")]
    if not any(terminology in match for match in matches for terminology in _TERMINOLOGIES):
        return f"no class in {layout.CLASSES_SKOS} has a code of SNOMED CT or the NCI Thesaurus"
    return ""


def _links(documents: Documents) -> str:
    sources = listed(documents.crate.get("isBasedOn"))
    if not sources:
        return f"{layout.METADATA} does not say what the data are based on"
    if any(source.get("@id") not in documents.entities for source in sources):
        return f"{layout.METADATA} is based on something that it does not describe"
    related = listed(documents.datacite.get("relatedItems"))
    if not any(one.get("relationType") == "IsDerivedFrom" for one in related):
        return f"{layout.DATACITE} does not say what the data are derived from"
    return ""


INTEROPERABLE = (
    Metric("FsF-I1-01M", "metadata in a formal language", _formal),
    Metric("FsF-I2-01M", "registered vocabularies", _vocabularies),
    Metric("FsF-I3-01M", "qualified links to related things", _links),
)
