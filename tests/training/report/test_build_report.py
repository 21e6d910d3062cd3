from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pathoai.errors import InvalidValueError
from pathoai.report.section import Measured
from pathoai_training.report.build_report import (
    Report,
    build_report,
    report_content,
    write_report,
)
from pathoai_training.report.checklists import FOR_A_PERSON
from pathoai_training.report.predictions import SlidePredictions
from tests.training.report import made_predictions as made

_VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """A page taken apart; it refuses tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def graded() -> Report:
    return build_report(
        made.context_of(software={"torch": "2.15"}),
        made.graded(160, 1),
        decisions=made.decisions_from(made.graded(200, 2, first=1000)),
        left_out={made.coded("centre", i): made.graded(20, 5 + i) for i in range(2)},
        cases=[made.case(i, title="<script>alert(1)</script>") for i in range(3)],
    )


@pytest.fixture(scope="module")
def reports(graded: Report) -> dict[str, Report]:
    return {
        "classification": graded,
        "segmentation": build_report(made.context_of(), made.segmented(12, 1)),
        "instances": build_report(made.context_of(), made.outlined(12, 1)),
    }


KINDS = pytest.mark.parametrize("kind", ["classification", "segmentation", "instances"])


def section(report: Report, key: str) -> dict[str, Any]:
    return next(s for s in report_content(report)["sections"] if s["key"] == key)


@KINDS
def test_the_page_opens_offline_and_reads_aloud(
    reports: dict[str, Report], kind: str, tmp_path: Path
) -> None:
    write_report(reports[kind], tmp_path)
    text = (tmp_path / "report.html").read_text("utf8")
    page = Page(text)
    for tag, attributes in page.attributes:
        assert tag not in {"script", "iframe", "object", "link"}
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("data:image/", "#"))
        if tag == "img":
            assert len(attributes["alt"] or "") > 20
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
    assert "http://" not in text
    assert "https://" not in text
    assert "<table" in text
    assert text.count("<table") == text.count("<caption>")
    ids = {a["id"] for _, a in page.attributes if "id" in a}
    assert {a["href"] for t, a in page.attributes if t == "a"} == {f"#{i}" for i in ids}


@KINDS
def test_no_number_stands_without_its_interval(reports: dict[str, Report], kind: str) -> None:
    measured = 0
    for part in reports[kind].sections:
        for table in part.tables:
            for row in table.rows:
                for cell in row[1:]:
                    if isinstance(cell, Measured):
                        measured += 1
                        if cell.estimate == cell.estimate:
                            assert cell.low <= cell.estimate <= cell.high
                    elif isinstance(cell, str):
                        # Thresholds, bin means and costs are given, not measured.
                        given = table.columns[row.index(cell)] in {"threshold", "mean probability"}
                        costs = table.caption.startswith("Costs")
                        facts = table.caption == "Facts"
                        assert given or costs or facts or not re.fullmatch(r"[\d.]+ ?%?", cell)
    assert measured > 10


@KINDS
def test_the_json_holds_the_numbers_of_the_page(
    reports: dict[str, Report], kind: str, tmp_path: Path
) -> None:
    write_report(reports[kind], tmp_path)
    raw = json.loads((tmp_path / "report.json").read_text("utf8"))
    page = (tmp_path / "report.html").read_text("utf8")
    assert raw["schema"] == 1
    assert raw == json.loads(json.dumps(report_content(reports[kind])))
    shown = reports[kind].sections[1].tables[0].rows
    for (_, value), (_, cell) in zip(raw["sections"][1]["tables"][0]["rows"], shown, strict=True):
        assert isinstance(cell, Measured)
        assert f">{cell}<" in page
        for name, number in value.items():
            assert number == pytest.approx(getattr(cell, name), abs=1e-6)


def test_the_same_predictions_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        report = build_report(made.context_of(), made.segmented(6, 1))
        write_report(report, tmp_path / name)
    for file in ("report.html", "report.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_sections_of_grading(graded: Report) -> None:
    keys = [part.key for part in graded.sections]
    assert keys == [
        *("about", "headline", "classes", "confusion", "costs", "calibration"),
        *("operating_points", "decision_curve", "referral", "prediction_sets"),
        *("breakdown", "left_out"),
    ]
    score = section(graded, "costs")["tables"][0]["rows"]
    assert [row[0] for row in score] == ["model", *(f"always {c}" for c in made.COSTS.classes)]
    points = section(graded, "operating_points")["tables"][0]["rows"]
    assert len(points) == 5
    referral = section(graded, "referral")
    assert "at most 5 %" in referral["text"][0]
    assert "do not contradict" in referral["text"][1]
    left_out = section(graded, "left_out")["tables"][0]["rows"]
    assert [row[0] for row in left_out][2:] == ["all centres, pooled"]
    assert left_out[2][2] == left_out[0][2] == left_out[1][2] == 20  # the same slides twice
    groups = [row[0] for row in section(graded, "breakdown")["tables"][0]["rows"]]
    assert sum(g.startswith("centre") for g in groups) == 3
    assert "stain batch not known" in groups


def test_a_broken_promise_is_said_loudly() -> None:
    """Calibrated on a good reader, verified on one who sees everything a grade milder."""
    test = made.graded(400, 1)
    milder = np.roll(test.probabilities, -1, axis=1)
    milder[:, 0] += milder[:, 3]
    milder[:, 3] = 0
    shifted = SlidePredictions(
        test.slides, test.classes, test.truth, milder, costs=made.COSTS, ordinal=True
    )
    decisions = made.decisions_from(made.graded(400, 2, first=1000))
    report = build_report(made.context_of(), shifted, decisions=decisions)
    assert "Do not use this rule" in section(report, "referral")["text"][1]


def test_without_validation_no_threshold_is_made_up() -> None:
    report = build_report(made.context_of(), made.graded(40, 1))
    points = section(report, "operating_points")
    assert not points["tables"]
    assert "no threshold could be set honestly" in points["text"][0]


def test_one_patient_and_repeated_openings_are_said() -> None:
    report = build_report(made.context_of(openings=3), made.segmented(2, 1))
    assert any("opened 3 times" in text for text in section(report, "about")["text"])
    assert "one patient only" in section(report, "headline")["text"][1]
    value = section(report, "headline")["tables"][0]["rows"][0][1]
    assert value["low"] is None
    cells = [c for part in report.sections for t in part.tables for r in t.rows for c in r]
    assert any("no interval" in str(cell) for cell in cells)


def test_cases_say_where_they_lie_and_how_to_open_them(graded: Report, tmp_path: Path) -> None:
    write_report(graded, tmp_path)
    page = (tmp_path / "report.html").read_text("utf8")
    assert f"pathoai review . --slide {made.coded('slide', 1)} --at 1280,2240" in page
    assert "x 1,024, y 2,048, 512 × 384 px of level 0" in page
    assert "&lt;script&gt;" in page


def test_what_only_a_person_knows_is_marked(graded: Report, tmp_path: Path) -> None:
    write_report(graded, tmp_path)
    page = (tmp_path / "report.html").read_text("utf8")
    entries = {(e.checklist, e.asks): e.answer for e in graded.checklists}
    assert {c for c, _ in entries} == {"TRIPOD+AI", "CLAIM"}
    assert page.count(FOR_A_PERSON) == sum(not a for a in entries.values()) > 15
    assert not any("{" in answer for answer in entries.values())
    text = (resources.files("pathoai_training.report") / "checklists.yaml").read_text("utf8")
    for guideline in yaml.safe_load(text):
        for entry in guideline["entries"]:
            assert {"chapter", "asks"} <= set(entry) <= {"chapter", "asks", "filled"}
    assert entries["CLAIM", "Definition of the truth and its source"] == ""
    filled = build_report(made.context_of(label_statement="By two readers."), made.segmented(4, 1))
    answers = {(e.checklist, e.asks): e.answer for e in filled.checklists}
    assert answers["CLAIM", "Definition of the truth and its source"] == "By two readers."


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="no slide was evaluated"):
        build_report(made.context_of(), made.segmented(0, 1))
