"""Refuses misspelt keys of a recipe, before anything is built."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

from pathoai.errors import RecipeError
from pathoai_training.recipes.recipe import OBJECTS, Recipe, unknown_key

GIVEN = frozenset({"study", "classes", "split", "seed", "steps_per_epoch"})
"""Arguments that come from the command line or from a section of their own."""


def check_keys(recipe: Recipe, *, bases: Mapping[str, type], trainer: type) -> dict[str, type]:
    """Compare every key with what the named classes take.

    Args:
        recipe: As it was read.
        bases: Section → the class that its ``class_path`` must be or extend.
        trainer: What the trainer section fills.

    Returns:
        Section → the class that it names.

    Raises:
        RecipeError: A class does not exist or is of another kind, or a key is unknown; the message
            names the section, the allowed keys and the nearest.
    """
    named: dict[str, type] = {}
    for section in OBJECTS:
        path = recipe.content[section]["class_path"]
        made = named[section] = _class_at(path, section, bases[section])
        _check(recipe.section(section), made, where=f"{recipe.name} {section}", hidden=GIVEN)
    where = f"{recipe.name} trainer"
    _check(recipe.section("trainer"), trainer, where=where, hidden=frozenset())
    return named


def _class_at(path: str, section: str, base: type) -> type:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecipeError(
            "no such class", where=f"{section}.class_path", found=repr(path), allowed=_path_of(base)
        ) from error
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise RecipeError(
            "a class of another kind",
            where=f"{section}.class_path",
            found=repr(path),
            allowed=f"{_path_of(base)} or one that extends it",
        )
    return found


def _path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _check(values: Mapping[str, Any], made: type, *, where: str, hidden: frozenset[str]) -> None:
    takes = parameters_of(made)
    allowed = set(takes) - hidden
    for key, value in values.items():
        if key not in allowed:
            raise unknown_key(key, allowed, where=where)
        inner = _dataclass_in(takes[key])
        if inner is not None:
            if not isinstance(value, Mapping):
                raise RecipeError(
                    "several values are wanted here",
                    where=f"{where}.{key}",
                    found=repr(value),
                    allowed="a mapping of " + ", ".join(parameters_of(inner)),
                )
            _check(value, inner, where=f"{where}.{key}", hidden=frozenset())


def parameters_of(made: type) -> dict[str, object]:
    """Names and types of what a class takes; ``**kwargs`` stand for what its parents take."""
    found: dict[str, object] = {}
    for kind in inspect.getmro(made):
        if "__init__" not in vars(kind):
            continue
        init: Callable[..., None] = vars(kind)["__init__"]
        parameters = list(inspect.signature(init).parameters.values())[1:]
        hints = typing.get_type_hints(init)
        named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        found |= {p.name: hints.get(p.name, Any) for p in named if p.name not in found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _dataclass_in(hint: object) -> type | None:
    options = (hint, *typing.get_args(hint))
    return next((o for o in options if isinstance(o, type) and is_dataclass(o)), None)
