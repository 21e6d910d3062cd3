"""Everything of a study that holds a person: what an erasure would reach."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.study.study import Study
from pathoai_annotations.erasure.person import Person, person_of
from pathoai_annotations.erasure.remains import files_to_clean
from pathoai_annotations.erasure.split_rows import splits_with
from pathoai_annotations.erasure.twin_labels import store_identities, twin_labels
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.redact import edits_about


@dataclass(frozen=True, slots=True)
class Reach:
    """What holds a person.

    Args:
        person: Who.
        copies: Folders and files made of his slides alone, or reports that name them.
        labels: Labels in stores of others that were made from his slides.
        edits: Numbers of the journal's edits.
        splits: Files of splits.
        files: Other files that name him.
        models: Names of models that were trained with him, as far as records tell.
        packages: Versions of packages that hold him.
        rooms: Reading rooms that hold his slides: `erase` is to be run there, too.
    """

    person: Person
    copies: tuple[Path, ...]
    labels: tuple[Path, ...]
    edits: tuple[int, ...]
    splits: tuple[Path, ...]
    files: tuple[Path, ...]
    models: tuple[str, ...]
    packages: tuple[str, ...]
    rooms: tuple[str, ...]


def reach_of(study: Study, code: str) -> Reach:
    """Look for a person everywhere in a study; nothing is changed.

    Args:
        study: The study.
        code: Of the patient or of a slide.

    Raises:
        ErasureError: It is no code, or of nobody in the study.
    """
    person = person_of(study, code)
    copies = {path for slide in person.slides for path in study.derived_copies(slide)}
    labels, splits = twin_labels(study, person.slides), splits_with(study, person.slides)
    apart = (*copies, *labels, *splits)
    files = [
        path
        for path in files_to_clean(study.path, person.traces)
        if not any(path == one or one in path.parents for one in apart)
    ]
    return Reach(
        person,
        tuple(sorted(copies)),
        tuple(labels),
        tuple(_edits(study, person)),
        tuple(splits),
        tuple(files),
        tuple(sorted(set(_models(study, person, labels)))),
        tuple(_packages(study, person)),
        tuple(sorted(_rooms(study, person))),
    )


def _edits(study: Study, person: Person) -> list[int]:
    if not study.has_journal:
        return []
    # Looked at without the trail: a look enters nothing.
    with Journal(study.sheet.journal or study.journal_path) as journal:
        return edits_about(journal, person.codes)


def _models(study: Study, person: Person, labels: Sequence[Path]) -> Iterator[str]:
    """Models that name him or his stores, learnt from such labels, or come of a run on his slides.

    Whatever a model learns from (tiles, bags of features, regions), its bundle lists the slides.
    """
    there = {path.parent.name: path for path in (study.path / "models").glob("*/bundle.json")}
    stores = store_identities(study, person.slides)
    for name, bundle in there.items():
        text = bundle.read_text("utf8")
        is_named = person.is_named_in(text) or any(store in text for store in stores)
        if is_named or _learnt_from(text, labels):
            yield name
    for record in _records(study, person):
        if str(record.get("command", "")).startswith("train"):
            told = json.dumps([record.get("parameters"), record.get("outputs")])
            yield from (name for name in there if f'"{name}"' in told or f"/{name}" in told)


def _learnt_from(bundle: str, labels: Sequence[Path]) -> bool:
    """True for a model that learnt a label of another's slide that was made from one of his."""
    training = json.loads(bundle).get("training", {})
    learnt = str(training.get("label", "")).replace("/", ".")
    slides = {str(one["slide_id"]) for one in training.get("slides", ())}
    return any(label.name == learnt and label.parents[1].stem in slides for label in labels)


def _packages(study: Study, person: Person) -> Iterator[str]:
    for path in sorted((study.path / "packages").glob("*.json")):
        if person.is_named_in(path.read_text("utf8")):
            yield path.stem


def _rooms(study: Study, person: Person) -> Iterator[str]:
    for record in _records(study, person):
        if record.get("command") == "readers room":
            about = record["parameters"]
            yield f"{about['room']} of {about['reader']}"


def _records(study: Study, person: Person) -> Iterator[dict[str, Any]]:
    for path in sorted(study.provenance_path.glob("*.json")):
        text = path.read_text("utf8")
        if person.is_named_in(text):
            yield json.loads(text)
