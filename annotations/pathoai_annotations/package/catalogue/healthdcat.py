"""``catalogue/healthdcat-ap.ttl``: the record for catalogues of health data.

One file for two profiles: the French Health Data Hub's (which wants ``csvw:titles``, a sample and a
described publisher) and HealthDCAT-AP Release 8 (``hasStructuredData``, variables, contact points,
standards and coding systems of the EU's own lists).
Code values are left out: one wants nodes, the other literals; the classes' own file has the codes.
"""

from __future__ import annotations

from pathlib import Path

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import keywords
from pathoai_annotations.package.catalogue.payload_file import payload_size, write_payload_text
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
from pathoai_annotations.package.study_terms import Publisher, StudyTerms
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.table import Column
from pathoai_annotations.package.tier import Tier

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
    "pd": "https://w3id.org/dpv/dpv-pd#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"
_GDPR = "https://w3id.org/dpv/legal/eu/gdpr#"
_PERSONAL, _ANONYMOUS = "PERSONAL_DATA", "OTHER"
"""Types of data sets; the EU's list has none for anonymous records of single cases."""
_CODING_SYSTEMS = {
    "DCM": "DICOM-CT",
    "ICDO3": "ICD-O",
    "LN": "LOINC",
    "NCIt": "NCIT",
    "SCT": "SNOMED-CT",
}
"""A scheme, as DICOM abbreviates it → its key in the EU's list."""
_PACKAGE = ".."
"""The payload's folder, as seen from the record; resolved against wherever the package lies."""
_FRANCE = "FRA"
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


def healthdcat_text(summary: PackageSummary, tables: list[TableFile], *, size: int) -> str:
    """The record in Turtle.

    Args:
        summary: What the package says of itself.
        tables: The tables that are described, column by column.
        size: Of the payload, in bytes.
    """
    subject = iri(summary.package_id.urn)
    statements = [
        *_description(summary),
        *_health(summary),
        *_processing(summary),
        *_numbers(summary),
        *_people(summary.terms),
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
        ("dct:type", iri(f"{_EU}dataset-type/{_data_type(summary.tier)}")),
        ("dct:spatial", iri(f"{_EU}country/{summary.terms.country}")),
        ("dct:temporal", _period(summary)),
        ("dct:accessRights", iri(summary.tier.access.access_right)),
        ("dct:license", iri(summary.licence.iri)),
        ("dcat:landingPage", iri(_in_package(layout.LANDING_PAGE))),
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


def _data_type(tier: Tier) -> str:
    """An open package is anonymous; a controlled one goes to named users under an agreement."""
    return _ANONYMOUS if tier is Tier.OPEN else _PERSONAL


def _health(summary: PackageSummary) -> list[Statement]:
    terms, ontology = summary.terms, summary.ontology
    schemes = {coding.scheme for label in ontology.classes for coding in label.codings}
    systems = sorted(_CODING_SYSTEMS[scheme] for scheme in schemes & _CODING_SYSTEMS.keys())
    statements: list[Statement] = [
        ("dcatap:applicableLegislation", iri(_EHDS)),
        ("healthdcatap:healthCategory", iri(f"{_HEALTH_EU}healthcategories/{terms.category}")),
        ("healthdcatap:healthTheme", iri(f"{_HEALTH_EU}health-theme/{terms.theme}")),
    ]
    if systems:
        listed = [iri(f"{_HEALTH_EU}coding-system/{system}") for system in systems]
        statements.append(("healthdcatap:hasCodingSystem", listed))
    return statements


def _processing(summary: PackageSummary) -> list[Statement]:
    """Purpose and legal basis; of anonymous data the law asks for none."""
    terms = summary.terms
    purpose = name("dpv:ResearchAndDevelopment")
    if terms.purpose:
        purpose = blank([("a", name("dpv:Purpose")), ("dct:description", literal(terms.purpose))])
    statements: list[Statement] = [("dpv:hasPurpose", purpose)]
    if _data_type(summary.tier) == _ANONYMOUS:
        return statements
    statements.append(("dpv:hasPersonalData", name("pd:MedicalHealth")))
    if terms.articles:
        listed = [iri(f"{_GDPR}{article}") for article in terms.articles]
        statements.append(("dpv:hasLegalBasis", listed))
    elif terms.legal_basis:
        words: list[Statement] = [
            ("a", name("dpv:LegalBasis")),
            ("dct:description", literal(terms.legal_basis)),
        ]
        statements.append(("dpv:hasLegalBasis", blank(words)))
    if terms.retention_until:
        until = literal(terms.retention_until, datatype="xsd:date")
        period: list[Statement] = [("a", name("dct:PeriodOfTime")), ("dcat:endDate", until)]
        statements.append(("healthdcatap:retentionPeriod", blank(period)))
    return statements


def _numbers(summary: PackageSummary) -> list[Statement]:
    """Counts that are shown; one that is masked is no number."""
    shown = {
        "healthdcatap:numberOfRecords": summary.counts.total,
        "healthdcatap:numberOfUniqueIndividuals": summary.cases,
    }
    return [
        (predicate, literal(count, datatype="xsd:nonNegativeInteger"))
        for predicate, count in shown.items()
        if count.isdecimal()
    ]


def _people(terms: StudyTerms) -> list[Statement]:
    publisher = terms.publisher
    kind = iri(f"{_HEALTH_EU}publisher-type/{publisher.kind}")
    note = literal(publisher.note, language="en")
    holder: list[Statement] = [
        ("dct:type", kind),
        ("dct:description", note),
        ("healthdcatap:publisherType", kind),
        ("healthdcatap:publisherNote", note),
        ("healthdcatap:trustedDataHolder", literal("false", datatype="xsd:boolean")),
    ]
    return [
        ("dct:publisher", _agent(publisher, holder)),
        ("geodcatap:custodian", _agent(publisher, [])),
        ("healthdcatap:hdab", _agent(_access_body(terms), [])),
        ("dcat:contactPoint", _contact(publisher)),
    ]


def _access_body(terms: StudyTerms) -> Publisher:
    """Whom to ask for access under the EHDS; of other countries than France no page is known."""
    if terms.country == _FRANCE:
        return HEALTH_DATA_HUB
    words = f"Health data access body of {terms.country}"
    return Publisher(words, layout.LANDING_PAGE, layout.LANDING_PAGE, words)


def _agent(agent: Publisher, more: list[Statement]) -> Term:
    page: list[Statement] = [
        ("a", name("cv:ContactPoint")),
        ("cv:contactPage", iri(_resolved(agent.contact))),
    ]
    return blank(
        [
            ("a", name("foaf:Agent")),
            ("foaf:name", literal(agent.name)),
            ("foaf:homepage", iri(_resolved(agent.homepage))),
            ("foaf:mbox", iri(_resolved(agent.contact))),
            ("cv:contactPoint", blank(page)),
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
        ("dct:conformsTo", [iri("https://w3id.org/ro/crate/1.3"), iri("https://qupath.github.io")]),
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
