"""Tables that repeat what the study has on file: its splits, and how far its readers agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from pathoai.errors import StudyError
from pathoai.study.study import Study
from pathoai_annotations.package.csv_file import Row


def split_rows(study: Study, slide_ids: Set[str]) -> Iterator[Row]:
    """The places of slides in the study's written splits; of other slides nothing is said.

    Raises:
        StudyError: A split is malformed.
    """
    for path in sorted(study.splits_path.glob("*.json")):
        try:
            raw = json.loads(path.read_text("utf8"))
            if "fold_names" not in raw:
                continue  # a split that training made on the spot: it deals patients or areas
            rows = [
                {"split": str(raw["name"]), "fold": str(fold), "slide_id": slide, "subset": subset}
                for slide, _, *subsets in raw["slides"]
                for fold, subset in enumerate(subsets, start=1)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError("malformed split", where=path.name, found=repr(error)) from error
        yield from (row for row in rows if row["slide_id"] in slide_ids)


def agreement_rows(study: Study) -> Iterator[Row]:
    """The measures in the study's report on agreement; counts are not among them.

    Raises:
        StudyError: The report is malformed.
    """
    path = study.agreement_path / "report.json"
    if not path.is_file():
        return
    try:
        sections = json.loads(path.read_text("utf8"))["sections"]
        cells = [cell for section in sections for cell in _measures(section)]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError("malformed report on agreement", found=repr(error)) from error
    for line, cell in enumerate(cells, start=1):
        yield {"line": str(line)} | cell


def _measures(section: Mapping[str, Any]) -> Iterator[Row]:
    for table in section["tables"]:
        for row in table["rows"]:
            for measure, cell in zip(table["columns"], row, strict=True):
                if isinstance(cell, dict) and cell.get("estimate") is not None:
                    yield {
                        "section": section["title"],
                        "table": table["caption"],
                        "row": str(row[0]),
                        "measure": measure,
                        "value": str(cell["estimate"]),
                    }
