"""Reading a file of a test, as its formats' tests need it."""

from __future__ import annotations

from pathlib import Path

from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from tests.annotations.formats.conformance import FRAME, SLIDE


def read(
    name: str, path: Path, ontology: str = "breast", **how: object
) -> tuple[list[Annotation], ExchangeReport]:
    """What a file holds, and what the report says."""
    report = ExchangeReport(name)
    context = ReadingContext(SLIDE, load_ontology(ontology), "R9", **({"frame": FRAME} | how))  # type: ignore[arg-type]  # fields by name
    return list(format_named(name).read(path, context, report)), report
