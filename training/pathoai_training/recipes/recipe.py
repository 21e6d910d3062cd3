"""Training recipes: YAML files that say which classes are built, and with which values.

Nothing here imports torch, so that a misspelt recipe is refused at once.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from pathoai.errors import RecipeError

_SUFFIX = ".yaml"
OBJECTS = ("model", "data")
"""Sections that name a class and its arguments."""
SECTIONS = {
    "title": "what the model is for, one line",
    "ontology": "key of the ontology whose classes are learnt",
    "classes": "classes to tell from background, in the order of the output channels",
    "licence": "of the weights, SPDX",
    "seed": "of split, weights, order and augmentation",
    "model": "class_path and init_args of a Task",
    "data": "class_path and init_args of a StudyData",
    "trainer": "how long and on what",
}
_OPTIONAL = {"title", "licence", "seed", "trainer"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as it is written, with the overrides of the command line.

    Args:
        name: Of its file, without ending.
        content: Sections ``title``, ``ontology``, ``classes``, ``licence``, ``seed``, ``model``,
            ``data`` and ``trainer``.
    """

    name: str
    content: Mapping[str, Any]

    def section(self, name: str) -> dict[str, Any]:
        """A copy of a section's values: the ``init_args`` of an object, else the section."""
        found = self.content.get(name) or {}
        return copy.deepcopy(dict(found.get("init_args") or {} if name in OBJECTS else found))


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship with pathoai, sorted."""
    folder = resources.files("pathoai_training") / "recipes"
    names = (f.name for f in folder.iterdir())
    return tuple(sorted(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX)))


def recipe_path(name_or_path: str | Path) -> Path:
    """Where a shipped recipe, or one's own file, lies.

    Raises:
        RecipeError: Neither the name of a shipped recipe nor the path of a YAML file; the message
            lists the recipes and the nearest name.
    """
    text = str(name_or_path)
    if text in shipped_recipes():
        return Path(str(resources.files("pathoai_training") / "recipes" / f"{text}{_SUFFIX}"))
    path = Path(text)
    if path.suffix in {_SUFFIX, ".yml"} and path.is_file():
        return path
    near = difflib.get_close_matches(text, shipped_recipes(), n=1, cutoff=0.4)
    raise RecipeError(
        "unknown recipe",
        found=repr(path.name),
        allowed=", ".join(shipped_recipes()) + ", or the path of a .yaml file",
        remedy=f"did you mean {near[0]!r}?" if near else None,
    )


def read_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe with values replaced from the command line.

    Args:
        name_or_path: Of a shipped recipe, or a YAML file's path.
        overrides: ``section.key=value`` each, e.g. ``model.learning_rate=0.001``; the longer
            ``model.init_args.learning_rate=0.001`` means the same. Values are YAML.

    Raises:
        RecipeError: Unknown recipe, no YAML mapping, or an unknown section. Keys inside sections
            are checked by :func:`pathoai_training.recipes.recipe_keys.check_keys`.
    """
    path = recipe_path(name_or_path)
    try:
        content: Any = yaml.safe_load(path.read_text("utf8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(
            "the recipe is no YAML", where=path.name, found=str(error).replace("\n", " ")
        ) from error
    if not isinstance(content, dict):
        raise RecipeError("the recipe is no mapping", where=path.name, allowed=", ".join(SECTIONS))
    for override in overrides:
        _apply(content, override)
    _check_sections(content, path.name)
    return Recipe(path.stem, _as_json(content))


def _as_json(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """The same, infinities as YAML writes them: JSON lacks them, and `build` reads the words."""
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return yaml.safe_dump(value).split()[0]
    return value


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().removeprefix("--").split(".")
    if not equals or not all(parts):
        raise RecipeError(
            "an override is key=value",
            where="--set",
            found=repr(override),
            allowed="e.g. model.learning_rate=0.001",
        )
    if parts[0] in OBJECTS and len(parts) > 1 and parts[1] not in ("class_path", "init_args"):
        parts.insert(1, "init_args")
    place = content
    for part in parts[:-1]:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError("an override goes deeper than the recipe", where=key, found=part)
        place = inner
    try:
        place[parts[-1]] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError("the value of an override is no YAML", where=key, found=text) from error


def _check_sections(content: dict[str, Any], where: str) -> None:
    for key in content:
        if key not in SECTIONS:
            raise unknown_key(str(key), SECTIONS, where=where)
    for key in SECTIONS:
        if key not in content and key not in _OPTIONAL:
            raise RecipeError("a section is missing", where=where, found=f"no {key}")
    classes = content["classes"]
    if not isinstance(classes, list) or not classes or "background" in classes:
        raise RecipeError(
            "classes are a list without background, which is always channel 0",
            where=f"{where} classes",
            found=classes,
        )
    for key in OBJECTS:
        section = content[key]
        if not isinstance(section, dict) or not isinstance(section.get("class_path"), str):
            raise RecipeError("a section lacks its class_path", where=f"{where} {key}")
        for inner in content[key]:
            if inner not in ("class_path", "init_args"):
                raise unknown_key(str(inner), ("class_path", "init_args"), where=f"{where} {key}")


def unknown_key(key: str, allowed: Iterable[str], *, where: str) -> RecipeError:
    """The error for a key that nothing takes, with the nearest that something does.

    Args:
        key: As it was written.
        allowed: The keys of that section.
        where: The section.
    """
    known = sorted(allowed)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return RecipeError(
        "unknown key",
        where=where,
        found=repr(key),
        allowed=", ".join(known) or "none",
        remedy=f"did you mean {near[0]!r}?" if near else None,
    )
