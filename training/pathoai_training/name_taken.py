"""A finished model is not lost to another one that would take its name.

Predictions carry the hash of the bundle that made them; once it is replaced, nobody can say any
more where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pathoai.errors import ModelError
from pathoai.models.bundle import ModelBundle
from pathoai_training.recipes.build import Workshop
from pathoai_training.recipes.recipe import Recipe
from pathoai_training.recipes.trainer_settings import CHANGES_NO_WEIGHT

_SHOWN = 4


def name_taken(name: str, known: ModelBundle, recipe: Recipe, workshop: Workshop) -> ModelError:
    """The refusal to train a model under the name of a finished one of other origin.

    Args:
        name: Under which the finished model lies.
        known: The finished model.
        recipe: Of the model that would replace it, with all overrides.
        workshop: Its data, after ``setup``, and its network.
    """
    differing = [*_differences(known.training, recipe, workshop.data.record())]
    if dict(known.encoder) != dict(workshop.model.encoder):
        differing.append("weights of the encoder")
    differing = differing or ["origin"]
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    return ModelError(
        "a finished model has this name, and it was trained otherwise",
        where=f"models/{name}",
        found=f"other {', '.join(differing[:_SHOWN])}{more}",
        allowed="the same recipe, data and split",
        remedy="give the new model a name of its own with --name, or lose the finished one with "
        "--replace",
    )


def _differences(
    was: Mapping[str, Any], recipe: Recipe, record: Mapping[str, Any]
) -> Iterator[str]:
    if was.get("recipe") != recipe.name:
        yield f"recipe ({was.get('recipe') or 'none'}, now {recipe.name})"
    split, wanted = was.get("split", {}), record["split"]
    if _split_words(split) != _split_words(wanted):
        yield f"split ({_split_words(split)}, now {_split_words(wanted)})"
    elif split.get("sha256") != wanted["sha256"]:
        yield f"subsets of split {_split_words(wanted)}"
    yield from _differing_slides(was.get("slides", ()), record["slides"])
    # As a bundle has them: JSON knows no tuple.
    settings = json.loads(json.dumps(dict(recipe.content), default=str))
    before, now = dict(_flat(was.get("settings", {}))), dict(_flat(settings))
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield key


def _split_words(split: Mapping[str, Any]) -> str:
    name = str(split.get("name") or split.get("kind") or "none")
    return f"{name} fold {split['fold']}" if split.get("fold") else name


def _differing_slides(
    was: list[Mapping[str, Any]], wanted: list[Mapping[str, Any]]
) -> Iterator[str]:
    before = {one["slide_id"]: one for one in was}
    now = {one["slide_id"]: one for one in wanted}
    if other := before.keys() ^ now.keys():
        yield f"slides ({len(before)}, now {len(now)}, {len(other)} in one alone)"
    both = [(before[one], now[one]) for one in before.keys() & now.keys()]
    if pixels := sum(a.get("store") != b["store"] for a, b in both):
        yield f"pixels of {pixels} slides"
    if labels := sum(_labels(a) != _labels(b) for a, b in both):
        yield f"labels of {labels} slides"


def _labels(slide: Mapping[str, Any]) -> dict[str, Any]:
    """All that is said of a slide but its pixels, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(dict(slide), default=str))
    return {key: value for key, value in found.items() if key not in ("slide_id", "store")}


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings that shape the weights, by keys as ``--set`` takes them."""
    for key, value in settings.items():
        name = f"{above}.{key}" if above else key
        section, _, last = name.partition(".")
        if last.removeprefix("init_args.") in CHANGES_NO_WEIGHT.get(section, ()):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, value
