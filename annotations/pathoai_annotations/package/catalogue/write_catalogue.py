"""All descriptions of a package, written once its data lie in the payload."""

from __future__ import annotations

from pathlib import Path

from pathoai_annotations.package.catalogue.citation import write_citation
from pathoai_annotations.package.catalogue.croissant import write_croissant
from pathoai_annotations.package.catalogue.datacite import write_datacite
from pathoai_annotations.package.catalogue.datapackage import write_datapackage
from pathoai_annotations.package.catalogue.healthdcat import write_healthdcat
from pathoai_annotations.package.catalogue.landing_page import write_landing_page
from pathoai_annotations.package.catalogue.readme import write_readme
from pathoai_annotations.package.catalogue.skos import write_skos
from pathoai_annotations.package.summary import PackageSummary


def write_catalogue(payload: Path, summary: PackageSummary) -> None:
    """Describe a payload whose tables, annotations and images are written.

    Later descriptions list earlier ones with their hashes; the crate's metadata, which is written
    after all of them, lists every file.

    Args:
        payload: The payload's folder.
        summary: What the package says of itself; the same payload and summary give the same bytes.

    Raises:
        OSError: The disk is full or read-only.
    """
    for write in (
        write_skos,
        write_readme,
        write_citation,
        write_datapackage,
        write_datacite,
        write_healthdcat,
        write_croissant,
        write_landing_page,
    ):
        write(payload, summary)
