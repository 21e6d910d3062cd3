"""From a recipe to objects: jsonargparse checks every value against the type of its argument."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonargparse
import torch

from pathoai.errors import PathoaiError, RecipeError
from pathoai_training.data.study_data import StudyData
from pathoai_training.recipes.recipe import Recipe
from pathoai_training.recipes.recipe_keys import check_keys
from pathoai_training.recipes.trainer_settings import TrainerSettings
from pathoai_training.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a training run works with."""

    model: Task[Any, Any]
    data: StudyData
    trainer: TrainerSettings
    seed: int


def build(recipe: Recipe, *, study: Path, split: str) -> Workshop:
    """Make network, data and settings of a recipe; no store is opened.

    Args:
        recipe: With all overrides.
        study: The study's folder.
        split: ``patient``, ``area``, or a written split: ``NAME`` or ``NAME/FOLD``.

    Raises:
        RecipeError: An unknown key, or a value of the wrong type.
        PathoaiError: A value outside what its owner allows.
    """
    bases: dict[str, type] = {"model": Task, "data": StudyData}
    classes = check_keys(recipe, bases=bases, trainer=TrainerSettings)
    values = _values(recipe, study, split)
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--seed", type=int)
    parser.add_class_arguments(TrainerSettings, "trainer")
    for section, named in classes.items():
        parser.add_class_arguments(named, section)
    try:
        parsed = parser.parse_object(values)
        # Weights start from the seed, and the caller's random numbers are left as they were.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parsed.seed)
            made = parser.instantiate(parsed)
    except PathoaiError:
        raise
    except (jsonargparse.ArgumentError, TypeError, ValueError) as error:
        lines = [line.strip().rstrip(":") for line in str(error).splitlines() if line.strip()]
        raise RecipeError(
            "a value does not fit its argument", where=recipe.name, found=": ".join(lines)
        ) from error
    return Workshop(made.model, made.data, made.trainer, parsed.seed)


def _values(recipe: Recipe, study: Path, split: str) -> dict[str, Any]:
    """What the recipe says, and what comes from elsewhere."""
    trainer = recipe.section("trainer")
    classes = {"classes": recipe.content["classes"]}
    seed = recipe.content.get("seed", 0)
    data = recipe.section("data") | classes | {"study": study, "split": str(split), "seed": seed}
    if "steps_per_epoch" in trainer:
        data["steps_per_epoch"] = trainer["steps_per_epoch"]
    return {
        "seed": seed,
        "trainer": trainer,
        "model": recipe.section("model") | classes,
        "data": data,
    }
