"""What is worth saying of a slide: areas and counts, and what they are divided by, as data.

An ontology's file holds them under ``summary``, beside the classes they are about::

    groups:    classes that count as one, e.g. tumour: {classes: [invasive_nst, invasive_lobular]}
    zones:     where to look, e.g. tumour_region: {around: tumour, closing_um: 250}
    rules:     one number each: numerator, denominator, unit, source
    least_worst_mm2:  of graded classes, the area below which none is called the slide's worst

A measure is ``{area: GROUP}`` (mm²) or ``{count: GROUP}`` (objects), or of a list of groups, or
``{area: tissue}``; with ``within: ZONE`` only what lies there counts, with ``in: GROUP`` only what
that group is the most of the surroundings of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pathoai.errors import OntologyError

TISSUE = "tissue"
"""Of a measure of area: all tissue that the model assessed."""
AREA, COUNT = "area", "count"
_KINDS = (AREA, COUNT)


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that count as one.

    Args:
        classes: A model tells the group if it tells one of these, or a kind of one.
        holds: What may lie in it and hide it in a class map, whose pixels have one class each: its
            area counts with that group which, of those that may hold it, is the most around.
    """

    classes: tuple[str, ...]
    holds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the slide: where a group is, with the gaps between bridged.

    Args:
        around: Key of the group.
        closing_um: Gaps up to twice this belong to it.
    """

    around: str
    closing_um: float


@dataclass(frozen=True, slots=True)
class Measure:
    """An area in mm², or a number of objects.

    Args:
        kind: ``area`` or ``count``.
        groups: Of what, all of which a model must tell; ``tissue`` alone for all of it.
        within: Key of a zone; empty for the whole slide.
        inside: Key of a group that must surround it; empty for anywhere.
    """

    kind: str
    groups: tuple[str, ...]
    within: str = ""
    inside: str = ""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Measure:
        """As it is written in a file."""
        content = dict(raw)
        within, inside = (str(content.pop(key, "")) for key in ("within", "in"))
        if len(content) != 1 or not content.keys() <= set(_KINDS):
            found = ", ".join(sorted(content)) or "none"
            raise ValueError(f"a measure is of {' or '.join(_KINDS)}, in or within; found {found}")
        ((kind, groups),) = content.items()
        keys = (groups,) if isinstance(groups, str) else tuple(groups)
        return cls(kind, keys, within, inside)

    @property
    def words(self) -> str:
        """What is measured, with its unit."""
        what = " and ".join(group.replace("_", " ") for group in self.groups)
        where = f" in {self.inside.replace('_', ' ')}" if self.inside else ""
        where += f" within the {self.within.replace('_', ' ')}" if self.within else ""
        return f"area of {what}{where}, mm²" if self.kind == AREA else f"number of {what}{where}"

    @property
    def where(self) -> tuple[str, str]:
        """Zone and surrounding group; two measures of the same place have the same."""
        return (self.within, self.inside)


@dataclass(frozen=True, slots=True)
class SummaryRule:
    """One number that is said of a slide.

    Args:
        key: Its name in files.
        name: Its English name, for people.
        unit: Of the value.
        numerator: What is measured.
        denominator: What it is divided by; None for a plain measure.
        times: What the quotient is multiplied by, e.g. 100 for percent.
        interval: The value is a share of counted objects and gets a 95 % interval.
        stains: Only of slides stained so; empty for all.
        source: Who defined it.
        note: What a reader must know besides.
    """

    key: str
    name: str
    unit: str
    numerator: Measure
    source: str
    denominator: Measure | None = None
    times: float = 1.0
    interval: bool = False
    stains: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SummaryRule:
        """As it is written in a file."""
        content = dict(raw)
        below = content.pop("denominator", None)
        return cls(
            numerator=Measure.from_dict(content.pop("numerator")),
            denominator=None if below is None else Measure.from_dict(below),
            stains=tuple(content.pop("stains", ())),
            **content,
        )

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Numerator and, where there is one, denominator."""
        return tuple(m for m in (self.numerator, self.denominator) if m is not None)


@dataclass(frozen=True, slots=True)
class SummaryRules:
    """All that is said of slides of an organ.

    Args:
        groups: By their keys.
        zones: By their keys.
        rules: In the order in which they are said.
        least_worst_mm2: Of graded classes: a smaller area is told, but never called the worst.

    Raises:
        OntologyError: A rule names a group or a zone that is not there, adds up groups that share a
            class, or has an interval without being a share of counts.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    zones: Mapping[str, Zone] = field(default_factory=dict)
    rules: tuple[SummaryRule, ...] = ()
    least_worst_mm2: float = 0.0

    def __post_init__(self) -> None:
        """Refuse names of nothing."""
        for rule in self.rules:
            for measure in rule.measures:
                _check_known(measure.groups, {*self.groups, TISSUE}, f"groups of {rule.key}")
                _check_known(filter(None, [measure.within]), self.zones, f"zone of {rule.key}")
                _check_known(filter(None, [measure.inside]), self.groups, f"group of {rule.key}")
                self._check_apart(measure, rule.key)
            if rule.interval and {m.kind for m in rule.measures} != {COUNT}:
                raise _malformed(f"{rule.key}: an interval is of counts only")
        _check_known((z.around for z in self.zones.values()), self.groups, "zones")

    def _check_apart(self, measure: Measure, key: str) -> None:
        """Refuse to count a class twice."""
        classes = [c for g in measure.groups if g != TISSUE for c in self.groups[g].classes]
        if len(set(classes)) < len(classes):
            raise _malformed(f"{key}: its groups share a class")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SummaryRules:
        """As it is written in an ontology's file.

        Raises:
            OntologyError: A field is missing, unknown or malformed.
        """
        try:
            content = dict(raw)
            groups = content.pop("groups", {})
            zones = content.pop("zones", {})
            return cls(
                {k: Group(**{n: tuple(v) for n, v in g.items()}) for k, g in groups.items()},
                {k: Zone(**z) for k, z in zones.items()},
                tuple(SummaryRule.from_dict(rule) for rule in content.pop("rules", ())),
                **content,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _malformed(str(error)) from error

    def check_classes(self, known: Iterable[str]) -> None:
        """Refuse classes that an ontology does not have.

        Raises:
            OntologyError: With the first of them.
        """
        for key, group in self.groups.items():
            _check_known((*group.classes, *group.holds), set(known), f"classes of {key}")


def _check_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise _malformed(f"{where}: unknown {', '.join(unknown)}")


def _malformed(found: str) -> OntologyError:
    return OntologyError(
        "malformed summary of an ontology",
        found=found,
        allowed="groups (classes, holds), zones (around, closing_um), rules (key, name, unit, "
        "numerator, source; optional: denominator, times, interval, stains, note), "
        "least_worst_mm2",
    )
