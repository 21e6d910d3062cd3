"""``CITATION.cff`` (Citation File Format 1.2.0): how to cite the package."""

from __future__ import annotations

import json
from pathlib import Path

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import creators, keywords
from pathoai_annotations.package.catalogue.payload_file import write_payload_text
from pathoai_annotations.package.summary import PackageSummary


def write_citation(payload: Path, summary: PackageSummary) -> None:
    """Write ``CITATION.cff``."""
    write_payload_text(payload, layout.CITATION, citation_text(summary))


def citation_text(summary: PackageSummary) -> str:
    """The file: YAML whose scalars are written as JSON, which YAML 1.2 contains."""
    lines = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": summary.title,
        "version": summary.version,
        "date-released": summary.day.isoformat(),
        "license": summary.licence.spdx,
        "abstract": summary.description,
    }
    return "".join(
        (
            *(f"{key}: {_scalar(value)}\n" for key, value in lines.items()),
            "authors:\n",
            *(f"  - name: {_scalar(creator)}\n" for creator in creators(summary)),
            "identifiers:\n",
            f"  - type: other\n    value: {_scalar(summary.package_id.urn)}\n",
            '    description: "Of all versions of this package"\n',
            "keywords:\n",
            *(f"  - {_scalar(keyword)}\n" for keyword in keywords(summary)),
        )
    )


def _scalar(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
