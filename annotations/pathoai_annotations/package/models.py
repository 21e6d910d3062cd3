"""The models that proposed what a package holds, and a card for each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import PathoaiError
from pathoai.models.bundle import read_bundle
from pathoai.models.card_notes import read_notes
from pathoai.models.model_card import model_card
from pathoai.study.study import Study
from pathoai_annotations.package import layout
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.tier import Tier

_MODEL = re.compile(r"model:(?P<name>.+?)(?:@(?P<sha256>[0-9A-Za-z]+))?")
"""A source of an annotation that is a model, with the hash that it was signed with."""
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_HASH_SHOWN = 8


@dataclass(frozen=True, slots=True, order=True)
class PackagedModel:
    """A model that proposed annotations of a package.

    Args:
        name: As the annotations state it.
        sha256: Identity of its bundle, likewise; empty where they state none.
    """

    name: str
    sha256: str

    @classmethod
    def of(cls, source: str | None) -> PackagedModel | None:
        """The model that an annotation was made from; None where it was none.

        Args:
            source: ``derived_from`` of the annotation.
        """
        found = _MODEL.fullmatch(source or "")
        return None if found is None else cls(found["name"], found["sha256"] or "")

    @property
    def code(self) -> str:
        """Its name for files and ids: letters, digits, - and _, then the start of its hash."""
        name = _NOT_IN_A_NAME.sub("-", self.name).strip("-")
        return f"{name or 'model'}-{self.sha256[:_HASH_SHOWN] or 'unsigned'}"

    @property
    def card(self) -> str:
        """The payload name of its card."""
        return layout.card_name(self.code)


def write_model_cards(
    payload: Path, study: Study, models: Iterable[PackagedModel], tier: Tier
) -> None:
    """Write a card for each model: its bundle's, or a plain one that says what is missing.

    Args:
        payload: The payload's folder.
        study: Its folder of models has the bundles.
        models: Who proposed what is packaged.
        tier: Of the package: says whether small counts are shown.
    """
    for model in models:
        path = payload / model.card
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_card(study, model, tier), "utf8", newline="\n")


def check_model_cards(root: Path, models: Iterable[PackagedModel]) -> Iterator[Finding]:
    """Is there a card of each model that proposed something, and of no other?

    Args:
        root: The bag's folder.
        models: Who proposed what is packaged.
    """
    folder = root / layout.PAYLOAD / layout.CARD_FOLDER
    there = {path.name: path for path in sorted(folder.glob("*"))}
    for model in sorted(models):
        where = f"{layout.PAYLOAD}/{model.card}"
        path = there.pop(Path(model.card).name, None)
        if path is None:
            yield Finding("a model proposed annotations and has no card", where)
        elif model.sha256.encode() not in _content(path):
            yield Finding("the card is of another model than proposed the annotations", where)
    for path in there.values():
        where = path.relative_to(root).as_posix()
        yield Finding("a card of a model that proposed nothing", where)


def _content(path: Path) -> bytes:
    """Of a card; nothing where a folder has its name, which the check of the files tells."""
    return path.read_bytes() if path.is_file() else b""


def _card(study: Study, model: PackagedModel, tier: Tier) -> str:
    # Looked up among what is there: a name from a file may hold anything.
    folders = {p.parent.name: p.parent for p in study.path.glob("models/*/bundle.json")}
    folder = folders.get(model.name)
    if folder is None:
        return _plain_card(model, "The study that the package was made of no longer has its bundle")
    try:
        bundle = read_bundle(folder)
    except PathoaiError:  # said on the card: a damaged bundle keeps no annotation back
        return _plain_card(model, "Its bundle in the study cannot be read")
    if bundle.identity != model.sha256:
        return _plain_card(
            model,
            "The study has another model of this name now, "
            f"with SHA-256 `{bundle.identity}`, and no longer the one that proposed",
        )
    return model_card(bundle, read_notes(folder), is_published=tier.is_published)


def _plain_card(model: PackagedModel, why: str) -> str:
    identity = f"SHA-256 `{model.sha256}`" if model.sha256 else "not stated by its annotations"
    return (
        f"# {model.name}\n\n"
        f"- Identity: {identity}\n\n"
        "Annotations of this package state that this model proposed them; which ones, says the "
        "column `derived_from` of `tables/annotations.csv`. Readers judged each of them.\n\n"
        f"{why}: what it was trained on, how well it does and what it is for cannot be told "
        "here. Treat it as unknown.\n"
    )
