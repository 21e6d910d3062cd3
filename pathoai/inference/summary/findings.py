"""The numbers of an ontology's rules for one slide, each with what it was computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pathoai.inference.summary.object_counts import ObjectCounts
from pathoai.inference.summary.places import EVERYWHERE, Places
from pathoai.inference.summary.region_areas import RegionAreas
from pathoai.inference.summary.told_classes import ToldClasses
from pathoai.metrics.wilson_interval import wilson_interval
from pathoai.summary_rules import AREA, TISSUE, Measure, SummaryRule

_DECIMALS = 6


@dataclass(frozen=True)
class Evidence:
    """What was measured on a slide.

    Args:
        told: The model's classes.
        areas: Of the class map.
        places: Where measures look; None where no rule asks for places.
        counts: Of the objects.
        has_map: The model made a class map; without one, the only area is that of the tissue.
        stain: How the slide was stained; None where nobody said.
    """

    told: ToldClasses
    areas: RegionAreas
    places: Places | None
    counts: ObjectCounts
    has_map: bool
    stain: str | None = None

    def value(self, measure: Measure) -> float:
        """Of a measure: mm², or a number of objects."""
        if measure.groups == (TISSUE,):
            return float(self.areas.assessed_mm2(self.areas.tissue))
        if measure.kind == AREA and self.places is not None:
            return self.places.mm2(measure)
        values = frozenset().union(*(self.told.values(group) for group in measure.groups))
        if measure.kind == AREA:
            return self.areas.mm2(values)
        everywhere = measure.where == EVERYWHERE
        found = self.counts.tissue if everywhere else self.counts.places[measure.where]
        return float(found[sorted(values)].sum())


def findings(evidence: Evidence) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Apply every rule of the ontology.

    Args:
        evidence: Of one slide.

    Returns:
        What is said, ready for JSON: ``value`` is None, with a ``reason``, where there is nothing
        to divide by; and by the key of each rule that does not apply, why not.
    """
    said, left_out = [], {}
    for rule in evidence.told.ontology.summary.rules:
        why_not = _why_not(rule, evidence)
        if why_not:
            left_out[rule.key] = why_not
        else:
            said.append(_finding(rule, evidence))
    return said, left_out


def _why_not(rule: SummaryRule, evidence: Evidence) -> str:
    missing = evidence.told.missing(rule.measures)
    if missing:
        return f"the model does not tell {', '.join(missing)}"
    needs_map = any(
        m.where != EVERYWHERE or (m.kind == AREA and m.groups != (TISSUE,)) for m in rule.measures
    )
    if needs_map and not evidence.has_map:
        return "the model made no class map, only a table of objects"
    if rule.stains and _plain(evidence.stain or "") not in map(_plain, rule.stains):
        stained = f"this one is {evidence.stain}" if evidence.stain else "nobody said how this is"
        return f"for slides stained with {' or '.join(rule.stains)}; {stained}"
    return ""


def _plain(stain: str) -> str:
    """A stain's name without what people write differently: Ki-67, KI67, ki 67."""
    return "".join(letter for letter in stain.casefold() if letter.isalnum())


def _finding(rule: SummaryRule, evidence: Evidence) -> dict[str, Any]:
    above = evidence.value(rule.numerator)
    below = None if rule.denominator is None else evidence.value(rule.denominator)
    value = None if below == 0 else rule.times * (above if below is None else above / below)
    said: dict[str, Any] = {
        "key": rule.key,
        "name": rule.name,
        "value": None if value is None else round(value, _DECIMALS),
        "unit": rule.unit,
        "numerator": _measured(rule.numerator, above),
        "denominator": None if below is None else _measured(rule.denominator, below),
        "source": rule.source,
    }
    if rule.note:
        said["note"] = rule.note
    if value is None:
        said["reason"] = f"nothing to divide by: {said['denominator']['what']} is 0"
    elif rule.interval:
        assert below is not None  # an interval is of a share
        limits = wilson_interval(round(above), round(below))
        said["interval_95"] = [round(rule.times * limit, _DECIMALS) for limit in limits]
    return said


def _measured(measure: Measure | None, value: float) -> dict[str, Any]:
    assert measure is not None  # its value is there
    found = round(value, _DECIMALS) if measure.kind == AREA else round(value)
    return {"what": measure.words, "value": found}
