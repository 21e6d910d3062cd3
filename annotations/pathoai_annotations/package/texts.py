"""The files of a package that people read: README, licence, landing page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from pathoai_annotations.package import layout
from pathoai_annotations.package.content import LICENCES, PackageContent, Release
from pathoai_annotations.package.tables import COLUMN_MEANINGS

_FRAME = (
    "Coordinates are level-0 pixels of the slide: origin at the top left of the file's full canvas "
    "(OpenSlide's frame), x to the right, y down."
)
_DEMONSTRATION = (
    "DEMONSTRATION: {authors} are codes of pathoai's own demo. No pathologist stands behind their "
    "annotations; do not use them as a reference."
)


def headline(content: PackageContent) -> str:
    """What the package is, in one line."""
    return f"Annotations of {_number(len(content.slides), 'slide')}: {content.title}"


def summary(content: PackageContent) -> str:
    """What is in the package and where it comes from, in a few sentences."""
    origins = ", ".join(
        f"{number} by {origin} ({status})" for (origin, status), number in content.counts().items()
    )
    sentences = [
        f"{_number(len(content.all_annotations()), 'annotation')} of "
        f"{_number(len(content.slides), 'whole-slide image')} with the ontology "
        f"{content.ontology.key} {content.ontology.version}.",
        f"First drawn by, and what was then said of them: {origins}.",
        "Slides are named by code and by the SHA-256 of their file; images are not included.",
    ]
    warning = demonstration_warning(content)
    return " ".join([warning, *sentences] if warning else sentences)


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def demonstration_warning(content: PackageContent) -> str:
    """A warning where some authors are made up by the demo, else nothing."""
    authors = content.demonstration_authors
    return _DEMONSTRATION.format(authors=", ".join(authors)) if authors else ""


def readme(content: PackageContent, release: Release) -> str:
    """The README, in Markdown."""
    approval = release.approval
    tables = "\n".join(f"- `{name}`: {text}." for name, text in sorted(COLUMN_MEANINGS.items()))
    return f"""# {headline(content)}

{summary(content)}

Version {release.version}, licence {release.licence} ({LICENCES[release.licence]}).
Released by {approval.approved_by} ({approval.role}) for: {approval.purpose}.
The list of opposed patients was last applied on {approval.opposition_date}.

## What is where

- `{layout.GEOJSON_FOLDER}/<slide_id>.geojson`: the outlines, with holes, in QuPath's dialect of
  GeoJSON. {_FRAME} Only annotations that someone validated or corrected are here.
{tables}
- `{layout.APPROVAL}`: who allowed this package to leave.
- `{layout.BUILD}`: what made it, with versions.
- `{layout.CRATE}`: all of this for machines (RO-Crate 1.3).

## How to check it

`pathoai package verify FOLDER`, or any BagIt tool: this folder is the payload of a BagIt 1.0 bag.
"""


def licence_text(release: Release) -> str:
    """The licence's name and where its text is."""
    name = LICENCES[release.licence]
    return (
        f"{name}\nSPDX-License-Identifier: {release.licence}\n{release.licence_iri}\n\n"
        "The licence covers annotations and metadata. Images are not part of this package.\n"
    )


def landing_page(content: PackageContent, release: Release) -> str:
    """A page for people that also tells machines what it is (schema.org, JSON-LD)."""
    # "</" would end the script element early.
    data = json.dumps(_schema_org(content, release), indent=1, sort_keys=True).replace("</", "<\\/")
    rows = "\n".join(
        f"<tr><td>{escape(origin)}</td><td>{escape(status)}</td><td>{number}</td></tr>"
        for (origin, status), number in content.counts().items()
    )
    slides = "\n".join(
        f'<li><a href="{layout.geojson_name(row.slide_id)}">{row.slide_id}</a>: '
        f"{_number(len(content.annotations[row.slide_id]), 'annotation')}</li>"
        for row in content.slides
    )
    title = escape(headline(content))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<script type="application/ld+json">
{data}
</script>
</head>
<body>
<h1>{title}</h1>
<p>{escape(summary(content))}</p>
<p>Version {escape(release.version)}, licence
<a href="{release.licence_iri}">{escape(release.licence)}</a>.
Start with <a href="{layout.README}">{layout.README}</a>.</p>
<table>
<tr><th>First drawn by</th><th>Status</th><th>Annotations</th></tr>
{rows}
</table>
<ul>
{slides}
</ul>
</body>
</html>
"""


def _schema_org(content: PackageContent, release: Release) -> Mapping[str, Any]:
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": headline(content),
        "description": summary(content),
        "identifier": content.package_id.urn,
        "version": release.version,
        "license": release.licence_iri,
        "datePublished": release.approval.opposition_date.isoformat(),
        "keywords": ["digital pathology", "whole-slide image", "annotation", content.ontology.key],
        "isAccessibleForFree": False,
        "conditionsOfAccess": f"tier {release.approval.tier}",
    }
