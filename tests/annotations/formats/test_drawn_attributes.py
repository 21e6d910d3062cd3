"""Whatever is said of an annotation comes back, or is told as lost, whatever signs it has."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import (
    ReadingContext,
    WritingContext,
    format_named,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from tests.annotations.formats.conformance import FRAME, SLIDE

BREAST = load_ontology("breast")
names = st.text(min_size=1, max_size=20).filter(lambda name: name != "probability")
numbers = st.floats(allow_nan=False, allow_infinity=False)
drawn = st.builds(
    Annotation,
    st.uuids(),
    st.just(SLIDE),
    st.sampled_from([c.key for c in BREAST.classes]),
    st.just(box(10, 10, 30, 20)),
    st.sampled_from(Origin),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True),
    st.sampled_from(Status),
    st.none() | st.floats(0, 1),
    st.none() | st.from_regex(r"[a-z_]+:[\w./:@+ -]{1,30}", fullmatch=True),
    st.dictionaries(names, numbers, max_size=3),
)


@pytest.mark.parametrize(("name", "file"), [("geojson", "a.geojson"), ("imagescope-xml", "a.xml")])
@settings(max_examples=60, deadline=None)
@given(st.lists(drawn, max_size=3, unique_by=lambda a: a.id))
def test_attributes_come_back_or_are_told(name: str, file: str, written: list[Annotation]) -> None:
    chosen, report = format_named(name), ExchangeReport(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        chosen.write(path, written, WritingContext(SLIDE, BREAST, FRAME), report)
        context = ReadingContext(SLIDE, BREAST, "R9", trust_metadata=True, frame=FRAME)
        read = {a.id: a for a in chosen.read(path, context, report)}
    gone = 0
    for one in written:
        back = read[one.id]
        for part in ("label", "origin", "author", "status", "confidence", "derived_from"):
            assert getattr(back, part) == getattr(one, part)
        assert back.measurements.items() <= one.measurements.items()
        gone += len(one.measurements) - len(back.measurements)
    assert report.lost == ({"measurements": gone} if gone else {})
