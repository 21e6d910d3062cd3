"""The landing page: readable without scripts, with schema.org metadata for search engines."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from string import Template

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.class_chart import class_chart
from pathoai_annotations.package.catalogue.dataset_facts import citation
from pathoai_annotations.package.catalogue.payload_file import write_payload_text
from pathoai_annotations.package.catalogue.schema_org import schema_org
from pathoai_annotations.package.catalogue.slide_gallery import slide_gallery
from pathoai_annotations.package.loss_report import Form, derived_name
from pathoai_annotations.package.summary import PackageSummary

PAGE_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="describedby" type="application/ld+json" href="$metadata">
<link rel="describedby" type="application/vnd.mlcommons-croissant+json" href="$croissant">
<link rel="describedby" type="text/turtle" href="$healthdcat">
<link rel="license" href="$licence_iri">
<link rel="type" href="https://schema.org/Dataset">
<style>
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #767676; padding: 0.3rem 0.6rem; text-align: left; }
svg { max-width: 100%; height: auto; }
blockquote { border-left: 3px solid #767676; margin-left: 0; padding-left: 1rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
  gap: 1rem; }
figure { margin: 0; }
img { max-width: 100%; border: 1px solid #767676; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; }
.key { display: inline-block; width: 1em; height: 1em; margin-right: 0.4em; vertical-align: -0.15em;
  border: 1px solid #595959; }
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
<dt>Date</dt><dd>$issued</dd>
<dt>Licence</dt><dd><a href="$licence_iri">$licence</a></dd>
<dt>Access</dt><dd>$access</dd>
</dl>
<h2>Annotations by class</h2>
$chart
$gallery<h2>How to cite</h2>
<blockquote>$citation</blockquote>
<p>For reference managers: <a href="$citation_file">CITATION.cff</a>.</p>
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
<p>$where_images_are</p>
<table>
<thead><tr><th scope="col">slide</th><th scope="col">stain</th><th scope="col">other forms</th></tr>
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


def write_landing_page(payload: Path, summary: PackageSummary) -> None:
    """Write ``index.html``."""
    write_payload_text(payload, layout.LANDING_PAGE, landing_page(payload, summary))


def landing_page(payload: Path, summary: PackageSummary) -> str:
    """The page, in HTML; slides are shown where their pictures lie in the payload."""
    warning = f'<p class="warning">{escape(summary.warning)}</p>\n' if summary.warning else ""
    return Template(PAGE_TEMPLATE).substitute(
        title=escape(summary.title),
        metadata=layout.METADATA,
        croissant=layout.CROISSANT,
        healthdcat=layout.HEALTHDCAT,
        readme=layout.README,
        licence=escape(summary.licence.name),
        licence_iri=escape(summary.licence.iri),
        linked_data=_linked_data(payload, summary),
        warning=warning,
        description=escape(summary.description),
        version=escape(summary.version),
        identifier=summary.package_id.urn,
        issued=summary.day,
        access=escape(summary.tier.access.words),
        chart=class_chart(_classes(summary)),
        gallery=slide_gallery(payload, summary.slides, _colours(summary)),
        where_images_are=escape(summary.image_statement),
        citation=escape(citation(summary)),
        citation_file=layout.CITATION,
        total=escape(summary.counts.total),
        counts="\n".join(_row(*line) for line in summary.counts.lines()),
        slides="\n".join(_slide_rows(payload, summary)),
    )


def _classes(summary: PackageSummary) -> list[tuple[str, str, str]]:
    ontology = summary.ontology
    return [
        (ontology[value].name, ontology[value].colour, count)
        for dimension, value, count in summary.counts.lines()
        if dimension == "class"
    ]


def _colours(summary: PackageSummary) -> list[tuple[str, str]]:
    return [(name, colour) for name, colour, _ in _classes(summary)]


def _slide_rows(payload: Path, summary: PackageSummary) -> list[str]:
    return [
        f'<tr><td><a href="{layout.geojson_name(s.slide_id)}">{s.slide_id}</a></td>'
        f"<td>{escape(s.stain)}</td><td>{_other_forms(payload, s.slide_id)}</td></tr>"
        for s in summary.slides
    ]


def _other_forms(payload: Path, slide_id: str) -> str:
    names = [(form, derived_name(slide_id, form)) for form in Form]
    there = [(form, name) for form, name in names if (payload / name).exists()]
    return " ".join(f'<a href="{name}">{form.value}</a>' for form, name in there)


def _row(*cells: object) -> str:
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _linked_data(payload: Path, summary: PackageSummary) -> str:
    text = json.dumps(schema_org(payload, summary), indent=1, sort_keys=True)
    # A title that holds "</script>" must not end the block it stands in.
    return text.replace("<", "\\u003c")
