"""What only a person can say of a model, in a file of its own that no program overwrites.

``card_notes.md`` lies in the bundle; each question is a heading, the answer is the text below it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pathoai.atomic_file import write_text_atomically

NOTES = "card_notes.md"
QUESTIONS: Mapping[str, str] = {
    "Responsible": "who answers for this model, and how to reach them (function, not a person's "
    "private address)",
    "Ethics and legal basis": "approval, legal basis of the data's use, and when the list of "
    "objections was applied",
    "Population": "who the patients are: period, region, inclusion and exclusion, age and sex",
    "Annotators": "who made or checked the labels, their training, how disagreement was settled",
    "Intended users and setting": "who may use the model, for what, and what they must be told",
    "Clinical evaluation": "what was seen beyond the figures above: readers, sites, outcome",
    "Known failures": "tissue, stains, scanners or artefacts on which it was seen to fail",
}
"""Heading → what belongs under it."""
_OTHER = "Further notes"

_HEADING = re.compile(r"^##[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_HINT = re.compile(r"<!--.*?-->", re.DOTALL)


def read_notes(folder: Path) -> dict[str, str]:
    """Answers by heading, in the order of the file; headings without text are left out.

    A person's text is never refused, for a bundle is saved at the end of a long training: text
    above the first heading goes under one of its own, and answers to one question are joined.

    Args:
        folder: Of the bundle; without ``card_notes.md`` nothing was said yet.
    """
    path = folder / NOTES
    if not path.is_file():
        return {}
    text = _HINT.sub("", path.read_text("utf8", errors="replace"))
    before, *parts = _HEADING.split(text)
    answers: dict[str, list[str]] = {}
    for heading, answer in zip([_OTHER, *parts[::2]], [before, *parts[1::2]], strict=True):
        if answer.strip():
            answers.setdefault(heading, []).append(answer.strip())
    return {heading: "\n\n".join(found) for heading, found in answers.items()}


def write_template(folder: Path) -> bool:
    """Put the questions into the bundle, for a person to answer; False where notes lie already."""
    if (folder / NOTES).exists():
        return False
    parts = [f"## {heading}\n\n<!-- {hint} -->\n" for heading, hint in QUESTIONS.items()]
    write_text_atomically(folder / NOTES, "\n".join(parts))
    return True


def set_notes_aside(folder: Path, identity: str) -> None:
    """Keep what was said of another model, under its identity, and say it no longer of this one.

    Args:
        folder: Of the bundle.
        identity: SHA-256 of the bundle that the notes are about.
    """
    notes = folder / NOTES
    if notes.is_file():
        notes.rename(notes.with_stem(f"{notes.stem}-{identity[:12]}"))
