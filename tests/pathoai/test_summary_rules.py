"""Rules are data: what is misspelt is refused when the ontology is read."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pathoai.errors import OntologyError
from pathoai.ontology import load_ontology, parse_ontology, shipped_ontologies
from pathoai.summary_rules import SummaryRules

RULE: dict[str, Any] = {
    "key": "a",
    "name": "A",
    "unit": "mm²",
    "numerator": {"area": "one"},
    "source": "here",
}


def rules(**changes: object) -> dict[str, Any]:
    return {
        "groups": {"one": {"classes": ["x"]}},
        "zones": {"near": {"around": "one", "closing_um": 100}},
        "rules": [RULE | changes],
    }


@pytest.mark.parametrize("key", shipped_ontologies())
def test_every_shipped_rule_names_its_source(key: str) -> None:
    found = load_ontology(key).summary.rules
    assert found
    assert len({rule.key for rule in found}) == len(found)
    assert all(rule.source and rule.unit for rule in found)


def test_an_organ_is_a_file() -> None:
    text = yaml.safe_dump(
        {
            "key": "prostate",
            "version": "1",
            "title": "Prostate",
            "classes": [
                {
                    "index": index,
                    "key": key,
                    "name": key,
                    "name_fr": key,
                    "colour": "#ffffff",
                }
                for index, key in enumerate(("background", "x"))
            ],
            "summary": rules(),
        }
    )
    (rule,) = parse_ontology(text).summary.rules
    assert rule.numerator.words == "area of one, mm²"
    with pytest.raises(OntologyError, match="classes of one: unknown y"):
        parse_ontology(text.replace("- x\n", "- y\n"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numerator": {"volume": "one"}}, "area or count, in or within; found volume"),
        ({"numerator": {"area": "two"}}, "groups of a: unknown two"),
        ({"numerator": {"area": "one", "within": "far"}}, "zone of a: unknown far"),
        ({"numerator": {"area": "one", "in": "two"}}, "group of a: unknown two"),
        ({"numerator": {"area": ["one", "one"]}}, "groups share a class"),
        ({"interval": True}, "counts only"),
        ({"tims": 2}, "tims"),
        ({"numerator": {}}, "found none"),
    ],
)
def test_what_is_misspelt_is_refused(changes: dict[str, Any], message: str) -> None:
    SummaryRules.from_dict(rules())
    with pytest.raises(OntologyError, match=message):
        SummaryRules.from_dict(rules(**changes))


def test_a_zone_around_nothing_is_refused() -> None:
    with pytest.raises(OntologyError, match="zones: unknown two"):
        SummaryRules.from_dict({"zones": {"near": {"around": "two", "closing_um": 1}}})
