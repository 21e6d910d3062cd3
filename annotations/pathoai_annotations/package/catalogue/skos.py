"""The classes as a SKOS concept scheme, with codes of terminologies as exact matches."""

from __future__ import annotations

import uuid
from pathlib import Path

from pathoai.ontology import Coding, LabelClass, Ontology
from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.payload_file import write_payload_text
from pathoai_annotations.package.catalogue.turtle import (
    Statement,
    Term,
    document,
    iri,
    literal,
    name,
)
from pathoai_annotations.package.summary import PackageSummary

_PREFIXES = {
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TERMINOLOGIES = {
    "SCT": "http://snomed.info/id/",
    "NCIt": "http://purl.obolibrary.org/obo/NCIT_",
}
"""Where a scheme's codes have IRIs; of others only the notation is written."""


def write_skos(payload: Path, summary: PackageSummary) -> None:
    """Write ``vocab/classes.ttl``."""
    write_payload_text(payload, layout.CLASSES_SKOS, skos_text(summary.ontology))


def scheme_iri(ontology: Ontology) -> str:
    """The scheme's IRI: the same wherever the same classes are packaged, another otherwise."""
    content = repr((ontology.key, ontology.version, ontology.title, ontology.classes))
    return uuid.uuid5(uuid.NAMESPACE_OID, content).urn


def concept_iri(ontology: Ontology, key: str) -> str:
    """The IRI of a class."""
    return f"{scheme_iri(ontology)}#{key}"


def coding_iri(coding: Coding) -> str | None:
    """The IRI of a code; None where its scheme gives none."""
    base = _TERMINOLOGIES.get(coding.scheme)
    return None if base is None else base + coding.code


def skos_text(ontology: Ontology) -> str:
    """The scheme in Turtle: English and French labels, codes, colour and value in class maps.

    A class's value in class maps is its ``rdf:value``; ``skos:editorialNote`` says where a code was
    seen, or why a class has none.
    """
    scheme = iri(scheme_iri(ontology))
    roots = [iri(concept_iri(ontology, c.key)) for c in ontology.classes if c.parent is None]
    about: list[Statement] = [
        ("a", name("skos:ConceptScheme")),
        ("dct:title", literal(ontology.title, language="en")),
        ("dct:identifier", literal(f"{ontology.key} {ontology.version}")),
        ("skos:hasTopConcept", roots),
    ]
    concepts = [
        (iri(concept_iri(ontology, c.key)), _concept(ontology, c, scheme)) for c in ontology.classes
    ]
    return document(_PREFIXES, [(scheme, about), *concepts])


def _concept(ontology: Ontology, label: LabelClass, scheme: Term) -> list[Statement]:
    codings = label.codings
    statements: list[Statement] = [
        ("a", name("skos:Concept")),
        ("skos:inScheme", scheme),
        (
            "skos:prefLabel",
            [literal(label.name, language="en"), literal(label.name_fr, language="fr")],
        ),
        ("skos:definition", _definitions(ontology, label)),
        (
            "skos:notation",
            [literal(label.key), *(literal(f"{c.scheme}:{c.code}") for c in codings)],
        ),
        ("rdf:value", literal(label.index, datatype="xsd:integer")),
        ("schema:color", literal(label.colour)),
        ("skos:editorialNote", [literal(note, language="en") for note in _evidence(label)]),
    ]
    if label.parent is None:
        statements.append(("skos:topConceptOf", scheme))
    else:
        statements.append(("skos:broader", iri(concept_iri(ontology, label.parent))))
    if label.grade is not None:
        statements.append(("schema:position", literal(label.grade, datatype="xsd:integer")))
    matches = [iri(found) for coding in codings if (found := coding_iri(coding)) is not None]
    return [*statements, ("skos:exactMatch", matches)] if matches else statements


def _definitions(ontology: Ontology, label: LabelClass) -> list[Term]:
    """What a class is, by the class that it is a kind of and by its codes."""
    english, french = label.name, label.name_fr
    if label.parent is not None:
        parent = ontology[label.parent]
        english += f", a kind of: {parent.name}"
        french += f", une sorte de : {parent.name_fr}"
    if label.codings:
        english += ". Known as: " + "; ".join(f"{c.meaning} ({c.scheme})" for c in label.codings)
        french += ". En terminologie : " + ", ".join(f"{c.scheme} {c.code}" for c in label.codings)
    elif label.local:
        english += f". {label.local}"
    return [literal(english, language="en"), literal(french, language="fr")]


def _evidence(label: LabelClass) -> list[str]:
    if not label.codings:
        return [f"Local term: {label.local or 'no published code was found'}"]
    return [
        f"{c.scheme} {c.code} as in: {c.source or 'the ontology of the study'}"
        for c in label.codings
    ]
