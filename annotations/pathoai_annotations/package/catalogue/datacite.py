"""The record for a DOI: DataCite metadata schema 4.5, as JSON and as XML of kernel 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import (
    creators,
    keywords,
)
from pathoai_annotations.package.catalogue.payload_file import (
    payload_size,
    write_payload_json,
    write_payload_text,
)
from pathoai_annotations.package.summary import PackageSummary

_KERNEL = "http://datacite.org/schema/kernel-4"
_SCHEMA = "http://schema.datacite.org/meta/kernel-4.5/metadata.xsd"
_TO_BE_ASSIGNED = "(:tba)"
"""DataCite's own word for a value that will be known later: only a repository gives a DOI."""
_SPDX = {"rightsIdentifierScheme": "SPDX", "schemeUri": "https://spdx.org/licenses/"}


def write_datacite(payload: Path, summary: PackageSummary) -> None:
    """Write ``catalogue/datacite.json`` and ``catalogue/datacite.xml``, telling the same."""
    record = datacite(summary, size=payload_size(payload))
    write_payload_json(payload, layout.DATACITE, record)
    write_payload_text(payload, layout.DATACITE_XML, datacite_xml(record))


def datacite(summary: PackageSummary, *, size: int) -> dict[str, Any]:
    """The record, without a DOI.

    Args:
        summary: What the package says of itself.
        size: Of the payload, in bytes.
    """
    day = summary.day
    return {
        "schemaVersion": _KERNEL,
        "types": {"resourceType": "Annotation package", "resourceTypeGeneral": "Dataset"},
        "creators": [{"name": name, "nameType": "Personal"} for name in creators(summary)],
        "titles": [{"title": summary.title}],
        "publisher": {"name": summary.terms.publisher.name},
        "publicationYear": str(day.year),
        "dates": [
            {"date": f"{summary.started[:10]}/{summary.ended[:10]}", "dateType": "Created"},
            {"date": day.isoformat(), "dateType": "Issued"},
        ],
        "language": "en",
        "version": summary.version,
        "subjects": [{"subject": word} for word in keywords(summary)],
        "alternateIdentifiers": [
            {"alternateIdentifier": summary.package_id.urn, "alternateIdentifierType": "UUID"}
        ],
        "relatedItems": [
            {
                "relatedItemType": "Collection",
                "relationType": "IsDerivedFrom",
                "titles": [{"title": "Whole-slide images of the study, in tables/slides.csv"}],
            }
        ],
        "sizes": [f"{size} B"],
        "formats": ["application/geo+json", "text/csv", "application/ld+json"],
        "rightsList": [
            {
                "rights": summary.licence.name,
                "rightsUri": summary.licence.iri,
                "rightsIdentifier": summary.licence.spdx,
                **_SPDX,
            },
            {"rights": summary.tier.access.words, "rightsUri": summary.tier.access.access_right},
        ],
        "descriptions": [{"description": summary.description, "descriptionType": "Abstract"}],
    }


def datacite_xml(record: dict[str, Any], doi: str = _TO_BE_ASSIGNED) -> str:
    """The same record in XML.

    Args:
        record: As :func:`datacite` makes it.
        doi: The DOI, once there is one.
    """
    types, publisher = record["types"], record["publisher"]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<resource xmlns="{_KERNEL}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_KERNEL} {_SCHEMA}">',
        _tag("identifier", doi, identifierType="DOI"),
        *_list("creators", [_creator(one) for one in record["creators"]]),
        *_list("titles", [_tag("title", one["title"]) for one in record["titles"]]),
        _tag("publisher", publisher["name"]),
        _tag("publicationYear", record["publicationYear"]),
        _tag(
            "resourceType",
            types["resourceType"],
            resourceTypeGeneral=types["resourceTypeGeneral"],
        ),
        *_list("subjects", [_tag("subject", one["subject"]) for one in record["subjects"]]),
        *_list(
            "dates",
            [_tag("date", one["date"], dateType=one["dateType"]) for one in record["dates"]],
        ),
        _tag("language", record["language"]),
        *_list("alternateIdentifiers", [_alternate(one) for one in record["alternateIdentifiers"]]),
        *_list("sizes", [_tag("size", one) for one in record["sizes"]]),
        *_list("formats", [_tag("format", one) for one in record["formats"]]),
        _tag("version", record["version"]),
        *_list("rightsList", [_rights(one) for one in record["rightsList"]]),
        *_list("descriptions", [_description(one) for one in record["descriptions"]]),
        *_list("relatedItems", [_related(one) for one in record["relatedItems"]]),
        "</resource>",
    ]
    return "\n".join(lines) + "\n"


def _tag(tag: str, text: str, **attributes: str) -> str:
    listed = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{tag}{listed}>{escape(text)}</{tag}>"


def _list(tag: str, items: list[str]) -> list[str]:
    return [f"<{tag}>", *items, f"</{tag}>"]


def _creator(one: dict[str, str]) -> str:
    return f"<creator>{_tag('creatorName', one['name'], nameType=one['nameType'])}</creator>"


def _alternate(one: dict[str, str]) -> str:
    return _tag(
        "alternateIdentifier",
        one["alternateIdentifier"],
        alternateIdentifierType=one["alternateIdentifierType"],
    )


def _rights(one: dict[str, str]) -> str:
    names = {"schemeUri": "schemeURI", "rightsUri": "rightsURI"}
    attributes = {names.get(key, key): value for key, value in one.items() if key != "rights"}
    return _tag("rights", one["rights"], **attributes)


def _description(one: dict[str, str]) -> str:
    return _tag("description", one["description"], descriptionType=one["descriptionType"])


def _related(one: dict[str, Any]) -> str:
    titles = "".join(_list("titles", [_tag("title", title["title"]) for title in one["titles"]]))
    return (
        f"<relatedItem relatedItemType={quoteattr(one['relatedItemType'])} "
        f"relationType={quoteattr(one['relationType'])}>{titles}</relatedItem>"
    )
