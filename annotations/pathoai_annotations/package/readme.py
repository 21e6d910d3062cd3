"""The README and the licence file of a package."""

from __future__ import annotations

from string import Template

from pathoai_annotations.package.licence import Licence
from pathoai_annotations.package.summary import PackageSummary

README_TEMPLATE = """\
# $title

$warning$description

Version $version, licence $licence ($licence_iri), identifier `$identifier`.

## What is in it

| where | what |
|---|---|
| `annotations/geojson/` | one GeoJSON file per slide, as QuPath reads them: the annotations |
| `tables/slides.csv` | slides by code, hash of the source file, scale (µm per pixel) and size |
| `tables/annotations.csv` | one row per annotation |
| `tables/annotators.csv` | who annotated, by code |
| `vocab/classes.csv` | the classes, with codes of published terminologies |
| `provenance/` | per slide, the edits that led to its annotations, one JSON object a line |
| `privacy/release.json` | how far it may travel, who exported it, when objections were applied |
$audits| `ro-crate-metadata.json` | all of this for machines (RO-Crate 1.3, Process Run Crate 0.5) |

Coordinates are pixels of level 0, origin at the top left of the file's full canvas, y down.
Only annotations that were validated or corrected are included. The bag's own files
(`manifest-sha256.txt` and the like) lie one folder up.

## Counts

| by | value | annotations |
|---|---|---|
$counts
| **all** | | $total |

## Access and privacy

Access is $access.
Slides, patients and centres are named by codes that only the study can resolve; annotators are
named by codes. The list of patients who objected was applied on $opposition_date. Who approved the
package is in `approval.json`, one folder up.

## Check it

    pathoai package verify FOLDER
    bagit.py --validate FOLDER
"""

_AUDITS = (
    "| `audits/` | per marker, how precise labels from immunohistochemistry are, as judged on "
    "random tiles |\n"
)
_LICENCE_TEMPLATE = """\
SPDX-License-Identifier: $spdx

$name
$iri
"""


def readme_text(summary: PackageSummary) -> str:
    """The README, in Markdown."""
    counts = (
        f"| {dimension} | {value} | {count} |" for dimension, value, count in summary.counts.lines()
    )
    return Template(README_TEMPLATE).substitute(
        title=summary.title,
        audits=_AUDITS if summary.audits else "",
        warning=f"> **{summary.warning}**\n\n" if summary.warning else "",
        description=summary.description,
        version=summary.version,
        licence=summary.licence.spdx,
        licence_iri=summary.licence.iri,
        identifier=summary.package_id.urn,
        counts="\n".join(counts),
        total=summary.counts.total,
        access=summary.tier.access.words,
        opposition_date=summary.release.opposition_date,
    )


def licence_text(licence: Licence) -> str:
    """The licence file: which licence it is and where its text lies."""
    return Template(_LICENCE_TEMPLATE).substitute(
        spdx=licence.spdx, name=licence.name, iri=licence.iri
    )
