"""What reporting guidelines ask for, filled from provenance where it is known."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

FOR_A_PERSON = "A person must fill this in."


@dataclass(frozen=True, slots=True)
class ChecklistEntry:
    """One thing asked for.

    Args:
        checklist: The guideline.
        chapter: Its chapter.
        asks: What it asks for, in our words.
        answer: Empty where only a person can give it.
    """

    checklist: str
    chapter: str
    asks: str
    answer: str


def filled_checklists(facts: Mapping[str, object]) -> list[ChecklistEntry]:
    """All entries of all guidelines.

    Args:
        facts: Name → value; an empty text, None or an absent name is not known, and an entry that
            needs it is left to a person.
    """
    text = (resources.files("pathoai_training.report") / "checklists.yaml").read_text("utf8")
    guidelines: list[dict[str, Any]] = yaml.safe_load(text)
    known = {name: str(value) for name, value in facts.items() if value not in (None, "")}
    return [
        ChecklistEntry(
            guideline["checklist"],
            entry["chapter"],
            entry["asks"],
            _answer(entry.get("filled", ""), known),
        )
        for guideline in guidelines
        for entry in guideline["entries"]
    ]


def _answer(template: str, known: Mapping[str, str]) -> str:
    needed = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return template.format(**known) if needed <= set(known) else ""
