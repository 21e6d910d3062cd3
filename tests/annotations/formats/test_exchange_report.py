"""A report counts what is lost and mended, names the first places, and says each thing once."""

from __future__ import annotations

import json

from pathoai_annotations.formats.exchange_report import ExchangeReport


def test_losses_and_repairs_are_counted_with_their_first_places() -> None:
    report = ExchangeReport("geojson")
    for number in range(7):
        report.lose("probability", f"feature {number}")
    report.lose("links", "a.csv", times=40)
    report.mend("an outline that crossed itself", "feature 3")
    assert report.lost == {"links": 40, "probability": 7}
    assert report.mended == {"an outline that crossed itself": 1}
    assert report.lines() == [
        "not carried: links, 40 times (e.g. a.csv)",
        "not carried: probability, 7 times (e.g. feature 0)",
        "repaired: an outline that crossed itself, 1 times (e.g. feature 3)",
    ]


def test_the_same_words_as_a_loss_and_as_a_repair_are_two_things() -> None:
    report = ExchangeReport("geojson")
    report.lose("a hole", "feature 1")
    report.mend("a hole", "feature 2")
    assert report.lines() == [
        "not carried: a hole, 1 times (e.g. feature 1)",
        "repaired: a hole, 1 times (e.g. feature 2)",
    ]


def test_a_note_is_said_once_and_all_of_it_is_json() -> None:
    report = ExchangeReport("geojson")
    report.note("from the canvas")
    report.note("from the canvas")
    report.lose("probability", "feature 1", times=2)
    assert json.loads(json.dumps(report.to_dict())) == {
        "format": "geojson",
        "lost": [{"what": "probability", "count": 2, "examples": ["feature 1"]}],
        "repaired": [],
        "notes": ["from the canvas"],
    }
    assert report.lines()[-1] == "from the canvas"


def test_an_exchange_without_loss_has_nothing_to_say() -> None:
    report = ExchangeReport("geojson")
    assert report.lines() == []
    assert report.lost == report.mended == {}
