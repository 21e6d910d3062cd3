"""``catalogue/healthdcat-ap.ttl``: the record for catalogues of health data.

One file for two profiles: the French Health Data Hub's (which wants ``csvw:titles``, a sample and a
described publisher) and HealthDCAT-AP Release 8 (``hasStructuredData``, variables, contact points).
Code values are left out: one wants nodes, the other literals; the classes' own file has the codes.
"""

from __future__ import annotations

from pathlib import Path

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import (
    IN_PACKAGE,
    Publisher,
    keywords,
)
from pathoai_annotations.package.catalogue.payload_file import payload_size, write_payload_text
from pathoai_annotations.package.catalogue.skos import scheme_iri
from pathoai_annotations.package.catalogue.tables_present import TableFile, tables_present
from pathoai_annotations.package.catalogue.turtle import (
    Statement,
    Term,
    blank,
    document,
    iri,
    literal,
    name,
)
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.table import Column

_EU = "http://publications.europa.eu/resource/authority/"
_HEALTH_EU = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
_PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "cv": "http://data.europa.eu/m8g/",
    "csvw": "http://www.w3.org/ns/csvw#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geodcatap": "http://data.europa.eu/930/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"
_GDPR = "https://w3id.org/dpv/legal/eu/gdpr#"
_PACKAGE = ".."
"""The payload's folder, as seen from the record; resolved against wherever the package lies."""
HEALTH_DATA_HUB = Publisher(
    "Health Data Hub",
    "https://www.health-data-hub.fr",
    "https://www.health-data-hub.fr/contact",
    "The health data access body of France.",
)


def write_healthdcat(payload: Path, summary: PackageSummary) -> None:
    """Write ``catalogue/healthdcat-ap.ttl``."""
    text = healthdcat_text(summary, tables_present(payload), size=payload_size(payload))
    write_payload_text(payload, layout.HEALTHDCAT, text)


def healthdcat_text(
    summary: PackageSummary,
    tables: list[TableFile],
    *,
    size: int,
    publisher: Publisher = IN_PACKAGE,
) -> str:
    """The record in Turtle.

    Args:
        summary: What the package says of itself.
        tables: The tables that are described, column by column.
        size: Of the payload, in bytes.
        publisher: Who answers for it.
    """
    subject = iri(summary.package_id.urn)
    statements = [
        *_description(summary),
        *_health(summary),
        *_people(publisher),
        *_files(summary, size),
        ("healthdcatap:hasStructuredData", literal("true", datatype="xsd:boolean")),
        ("healthdcatap:hasVariables", _variables(tables)),
    ]
    return document(_PREFIXES, [(subject, statements)])


def _description(summary: PackageSummary) -> list[Statement]:
    urn = summary.package_id.urn
    return [
        ("a", name("dcat:Dataset")),
        ("dct:identifier", literal(urn, datatype="xsd:anyURI")),
        ("dct:title", literal(summary.title, language="en")),
        ("dct:description", literal(summary.description, language="en")),
        ("dcat:version", literal(summary.version)),
        ("dct:issued", literal(summary.day.isoformat(), datatype="xsd:date")),
        ("dct:modified", literal(summary.ended[:10], datatype="xsd:date")),
        ("dct:language", [iri(f"{_EU}language/ENG"), iri(f"{_EU}language/FRA")]),
        ("dcat:keyword", [literal(word, language="en") for word in keywords(summary)]),
        ("dcat:theme", iri(f"{_EU}data-theme/HEAL")),
        ("dct:type", iri(f"{_EU}dataset-type/PERSONAL_DATA")),
        ("dct:spatial", iri(f"{_EU}country/FRA")),
        ("dct:temporal", _period(summary)),
        ("dct:accessRights", iri(summary.tier.access.access_right)),
        ("dct:license", iri(summary.licence.iri)),
        ("dcat:landingPage", iri(_in_package(layout.LANDING_PAGE))),
        ("dct:conformsTo", [iri("https://w3id.org/ro/crate/1.3"), iri("https://qupath.github.io")]),
        ("dct:provenance", _labelled("dct:ProvenanceStatement", _PROVENANCE)),
    ]


_PROVENANCE = (
    "Outlines on whole-slide images of routine care, drawn by readers or proposed by models, then "
    "validated or corrected by readers; the package holds every edit."
)


def _period(summary: PackageSummary) -> Term:
    return blank(
        [
            ("a", name("dct:PeriodOfTime")),
            ("dcat:startDate", literal(summary.started[:10], datatype="xsd:date")),
            ("dcat:endDate", literal(summary.ended[:10], datatype="xsd:date")),
        ]
    )


def _health(summary: PackageSummary) -> list[Statement]:
    return [
        ("dcatap:applicableLegislation", iri(_EHDS)),
        ("healthdcatap:healthCategory", iri(f"{_HEALTH_EU}healthcategories/EINS")),
        ("healthdcatap:healthTheme", iri(f"{_HEALTH_EU}health-theme/CANCER_DISEASE")),
        ("healthdcatap:hasCodingSystem", iri(scheme_iri(summary.ontology))),
        ("dpv:hasLegalBasis", [iri(f"{_GDPR}A6-1-e"), iri(f"{_GDPR}A9-2-j")]),
        ("dpv:hasPurpose", name("dpv:ResearchAndDevelopment")),
        ("dpv:hasPersonalData", name("dpv:HealthData")),
    ]


def _people(publisher: Publisher) -> list[Statement]:
    holder: list[Statement] = [
        ("healthdcatap:publisherType", iri(f"{_HEALTH_EU}publisher-type/HealthDataHolder")),
        ("healthdcatap:publisherNote", literal(publisher.note, language="en")),
        ("healthdcatap:trustedDataHolder", literal("false", datatype="xsd:boolean")),
    ]
    return [
        ("dct:publisher", _agent(publisher, holder)),
        ("geodcatap:custodian", _agent(publisher, [])),
        ("healthdcatap:hdab", _agent(HEALTH_DATA_HUB, [])),
        ("dcat:contactPoint", _contact(publisher)),
    ]


def _agent(agent: Publisher, more: list[Statement]) -> Term:
    return blank(
        [
            ("a", name("foaf:Agent")),
            ("foaf:name", literal(agent.name)),
            ("foaf:homepage", iri(_resolved(agent.homepage))),
            ("foaf:mbox", iri(_resolved(agent.contact))),
            ("cv:contactPoint", _contact(agent)),
            *more,
        ]
    )


def _contact(agent: Publisher) -> Term:
    return blank(
        [
            ("a", name("vcard:Kind")),
            ("vcard:fn", literal(agent.name)),
            ("vcard:hasURL", iri(_resolved(agent.homepage))),
            ("vcard:hasEmail", iri(_resolved(agent.contact))),
        ]
    )


def _files(summary: PackageSummary, size: int) -> list[Statement]:
    whole: list[Statement] = [
        ("a", name("dcat:Distribution")),
        ("dct:title", literal("The package: RO-Crate in a BagIt bag", language="en")),
        ("dcat:accessURL", iri(_in_package(layout.LANDING_PAGE))),
        ("dcatap:applicableLegislation", iri(_EHDS)),
        ("dcat:byteSize", literal(size, datatype="xsd:nonNegativeInteger")),
        ("dct:format", iri(f"{_EU}file-type/GEOJSON")),
        ("dct:license", iri(summary.licence.iri)),
        ("dct:rights", _labelled("dct:RightsStatement", summary.tier.access.words)),
        ("odrl:hasPolicy", iri(summary.tier.access.duo)),
    ]
    sample: list[Statement] = [
        ("a", name("dcat:Distribution")),
        ("dct:title", literal("Description of every column", language="en")),
        ("dcatap:applicableLegislation", iri(_EHDS)),
        ("dcat:accessURL", iri(_in_package(layout.DATAPACKAGE))),
    ]
    return [("dcat:distribution", blank(whole)), ("adms:sample", blank(sample))]


def _labelled(kind: str, text: str) -> Term:
    return blank([("a", name(kind)), ("rdfs:label", literal(text, language="en"))])


def _variables(tables: list[TableFile]) -> Term:
    group: list[Statement] = [
        ("a", name("csvw:TableGroup")),
        ("dct:title", literal("Tables of the package", language="en")),
        ("csvw:table", [_table(one) for one in tables]),
    ]
    return blank(group)


def _table(one: TableFile) -> Term:
    return blank(
        [
            ("a", name("csvw:Table")),
            ("csvw:url", iri(_in_package(one.file.name))),
            ("dct:title", literal(one.table.name)),
            ("dct:description", literal(one.table.description, language="en")),
            ("csvw:column", [_column(column) for column in one.table.columns]),
        ]
    )


def _column(column: Column) -> Term:
    unit = f" ({column.unit})" if column.unit else ""
    meaning: list[Statement] = [("csvw:propertyUrl", iri(column.iri))] if column.iri else []
    return blank(
        [
            ("a", name("csvw:Column")),
            ("csvw:name", literal(column.name)),
            ("csvw:titles", literal(column.name)),
            ("csvw:title", literal(column.name)),
            ("csvw:datatype", literal(column.kind)),
            ("dct:description", literal(column.description + unit, language="en")),
            *meaning,
        ]
    )


def _in_package(file: str) -> str:
    return f"{_PACKAGE}/{file}"


def _resolved(target: str) -> str:
    return target if ":" in target else _in_package(target)
