"""The package as schema.org describes data sets, for search engines and FAIR assessors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import (
    citation,
    creators,
    keywords,
)
from pathoai_annotations.package.catalogue.payload_file import common_files
from pathoai_annotations.package.catalogue.skos import scheme_iri
from pathoai_annotations.package.catalogue.tables_present import tables_present
from pathoai_annotations.package.summary import PackageSummary


def schema_org(payload: Path, summary: PackageSummary) -> dict[str, Any]:
    """A ``Dataset`` with its files, variables, licence, access and sources."""
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": summary.package_id.urn,
        "name": summary.title,
        "description": summary.description,
        "identifier": summary.package_id.urn,
        "version": summary.version,
        "license": summary.licence.iri,
        "datePublished": summary.day.isoformat(),
        "temporalCoverage": f"{summary.started[:10]}/{summary.ended[:10]}",
        "conditionsOfAccess": summary.tier.access.words,
        "usageInfo": summary.tier.access.duo,
        "isAccessibleForFree": summary.tier.access.is_free,
        "inLanguage": ["en", "fr"],
        "keywords": keywords(summary),
        "citation": citation(summary),
        "publisher": {"@type": "Organization", "name": summary.terms.publisher.name},
        "creator": [{"@type": "Person", "name": name} for name in creators(summary)],
        "isBasedOn": [
            {"@type": "ImageObject", "name": f"Slide {s.slide_id}", "identifier": s.slide_id}
            for s in summary.slides
        ],
        "about": {"@type": "DefinedTermSet", "@id": scheme_iri(summary.ontology)},
        "variableMeasured": [
            {
                "@type": "PropertyValue",
                "name": f"{one.table.name}.{column.name}",
                "description": column.description,
                **({"unitText": column.unit} if column.unit else {}),
                **({"propertyID": column.iri} if column.iri else {}),
            }
            for one in tables_present(payload)
            for column in one.table.columns
        ],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": f"{file.size} B",
                "encodingFormat": file.media_type,
                "sha256": file.sha256,
            }
            for file in common_files(payload)
            if file.name != layout.LANDING_PAGE
        ],
    }
