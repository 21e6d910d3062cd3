"""The README and the licence file of a package."""

from __future__ import annotations

from pathlib import Path
from string import Template

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import citation
from pathoai_annotations.package.catalogue.payload_file import write_payload_text
from pathoai_annotations.package.catalogue.tables_present import tables_present
from pathoai_annotations.package.licence import Licence
from pathoai_annotations.package.summary import PackageSummary

README_TEMPLATE = """\
# $title

$warning$description

Version $version of $issued, licence $licence ($licence_iri), identifier `$identifier`.

## What is in it

| where | what |
|---|---|
| `annotations/geojson/` | one GeoJSON file per slide, as QuPath reads them: the annotations |
$tables
| `vocab/classes.ttl` | the classes as SKOS, with codes of published terminologies |
$derived| `provenance/` | per slide, the edits that led to its annotations, one JSON object a line |
$audits$images| `index.html` | the page to begin with |
| `CITATION.cff` | how to cite |
| `ro-crate-metadata.json` | all of this for machines (RO-Crate 1.3, Process Run Crate 0.5) |
| `datapackage.json` | every column: meaning, unit, type, keys (Frictionless) |
| `croissant.json` | for machine learning (Croissant 1.1), as `mlcroissant` loads it |
| `catalogue/` | records for DataCite (DOI) and catalogues of health data (HealthDCAT-AP) |

Coordinates are pixels of level 0, origin at the top left of the file's full canvas, y down.
Only annotations that were validated or corrected are included. The GeoJSON is the authority: what
other forms lost against it is told in `provenance/loss-report.json`. The bag's own files
(`manifest-sha256.txt` and the like) lie one folder up.

## Counts

| by | value | annotations |
|---|---|---|
$counts
| **all** | | $total |

## Access and privacy

Access is $access.
$where_images_are
Slides, patients and centres are named by codes that only the study can resolve; annotators are
named by codes.

## How to cite

$citation

## Check it

    pathoai package verify FOLDER
    pathoai package fair-check FOLDER
    bagit.py --validate FOLDER
"""

_AUDITS = (
    "| `audits/` | per marker, how precise labels from immunohistochemistry are, as judged on "
    "random tiles |\n"
)
_IMAGES = (
    "| `images/` | per slide, a folder with its de-identified copy; `tables/images.csv` lists the "
    "files |\n"
    "| `pictures/` | per slide, a small picture with the annotations drawn in |\n"
    "| `privacy/deid-report.json` | how each copy was made: kinds and counts of what was left "
    "behind, and hashes of its decoded pixels |\n"
)
_DERIVED = {
    layout.MASK_FOLDER: "| `masks/` | per slide, classes and numbers of annotations as OME-Zarr "
    "0.5 labels |\n",
    layout.DICOM_FOLDER: "| `annotations/dicom/` | per slide, the same as DICOM bulk annotations, "
    "segmentation and report |\n",
}
_LICENCE_TEMPLATE = """\
SPDX-License-Identifier: $spdx

$name
$iri
"""


def write_readme(payload: Path, summary: PackageSummary) -> None:
    """Write ``README.md`` and ``LICENSE.txt``."""
    write_payload_text(payload, layout.README, readme_text(payload, summary))
    write_payload_text(payload, layout.LICENCE, licence_text(summary.licence))


def readme_text(payload: Path, summary: PackageSummary) -> str:
    """The README, in Markdown."""
    rows = ("| {} | {} | {} |".format(*line) for line in summary.counts.lines())
    tables = (f"| `{t.file.name}` | {t.table.description} |" for t in tables_present(payload))
    return Template(README_TEMPLATE).substitute(
        title=summary.title,
        audits=_AUDITS if summary.audits else "",
        images=_IMAGES if summary.release.holds_images else "",
        where_images_are=summary.image_statement,
        warning=f"> **{summary.warning}**\n\n" if summary.warning else "",
        description=summary.description,
        version=summary.version,
        issued=summary.day,
        licence=summary.licence.spdx,
        licence_iri=summary.licence.iri,
        identifier=summary.package_id.urn,
        tables="\n".join(tables),
        derived="".join(line for folder, line in _DERIVED.items() if (payload / folder).is_dir()),
        counts="\n".join(rows),
        total=summary.counts.total,
        access=summary.tier.access.words,
        citation=citation(summary),
    )


def licence_text(licence: Licence) -> str:
    """The licence file: which licence it is and where its text lies."""
    return Template(_LICENCE_TEMPLATE).substitute(
        spdx=licence.spdx, name=licence.name, iri=licence.iri
    )
