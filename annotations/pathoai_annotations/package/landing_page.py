"""The landing page: readable without scripts, with schema.org metadata for search engines."""

from __future__ import annotations

import json
from html import escape
from string import Template

from pathoai_annotations.package import layout
from pathoai_annotations.package.summary import PackageSummary

PAGE_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="describedby" type="application/ld+json" href="$metadata">
<link rel="license" href="$licence_iri">
<style>
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #767676; padding: 0.3rem 0.6rem; text-align: left; }
.warning { border: 3px solid #a40000; padding: 0.6rem; font-weight: bold; }
</style>
<script type="application/ld+json">
$linked_data
</script>
</head>
<body>
<main>
<h1>$title</h1>
$warning<p>$description</p>
<dl>
<dt>Version</dt><dd>$version</dd>
<dt>Identifier</dt><dd>$identifier</dd>
<dt>Licence</dt><dd><a href="$licence_iri">$licence</a></dd>
<dt>Access</dt><dd>$access</dd>
<dt>Objections applied</dt><dd>$opposition_date</dd>
</dl>
<h2>Counts</h2>
<table>
<caption>$total annotations</caption>
<thead><tr><th scope="col">by</th><th scope="col">value</th><th scope="col">annotations</th></tr>
</thead>
<tbody>
$counts
</tbody>
</table>
<h2>Slides</h2>
<table>
<thead><tr><th scope="col">slide</th><th scope="col">stain</th><th scope="col">annotations</th></tr>
</thead>
<tbody>
$slides
</tbody>
</table>
<p><a href="$readme">How to read the files</a> · <a href="$metadata">metadata for machines</a></p>
</main>
</body>
</html>
"""


def landing_page(summary: PackageSummary) -> str:
    """The page, in HTML."""
    warning = f'<p class="warning">{escape(summary.warning)}</p>\n' if summary.warning else ""
    return Template(PAGE_TEMPLATE).substitute(
        title=escape(summary.title),
        metadata=layout.METADATA,
        readme=layout.README,
        licence=escape(summary.licence.name),
        licence_iri=escape(summary.licence.iri),
        linked_data=_linked_data(summary),
        warning=warning,
        description=escape(summary.description),
        version=escape(summary.version),
        identifier=summary.package_id.urn,
        access=summary.tier.access.words,
        opposition_date=summary.release.opposition_date,
        total=summary.counts.total,
        counts="\n".join(_row(*line) for line in summary.counts.lines()),
        slides="\n".join(_slide_row(summary)),
    )


def _slide_row(summary: PackageSummary) -> list[str]:
    return [
        f'<tr><td><a href="{layout.geojson_name(s.slide_id)}">{s.slide_id}</a></td>'
        f"<td>{escape(s.stain)}</td><td>{s.annotations}</td></tr>"
        for s in summary.slides
    ]


def _row(*cells: object) -> str:
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _linked_data(summary: PackageSummary) -> str:
    dataset = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": summary.title,
        "description": summary.description,
        "identifier": summary.package_id.urn,
        "version": summary.version,
        "license": summary.licence.iri,
        "datePublished": summary.day.isoformat(),
        "conditionsOfAccess": summary.tier.access.words,
        "isAccessibleForFree": summary.tier.access.is_free,
        "keywords": ["digital pathology", "whole-slide imaging", "annotation"],
        "creator": [
            {"@type": "Person", "name": f"Annotator {row['code']}", "identifier": row["code"]}
            for row in summary.counts.annotators
            if row["kind"] == "reader"
        ],
    }
    # A title that holds "</script>" must not end the block it stands in.
    return json.dumps(dataset, indent=1, sort_keys=True).replace("<", "\\u003c")
