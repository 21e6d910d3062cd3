"""``pathoai train``: learn from labelled stores."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.cli.command import Command
from pathoai.errors import InvalidValueError
from pathoai.progress import progress_bar
from pathoai.study.study import Study
from pathoai_training.recipes.recipe import read_recipe, shipped_recipes
from pathoai_training.running.slurm_job import JOB_LOG, SlurmJob, submit
from pathoai_training.running.slurm_options import add_slurm_options, chosen_job

if TYPE_CHECKING:  # torch takes seconds to load
    from pathoai.models.bundle import ModelBundle


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder of the study")
    parser.add_argument(
        "--recipe",
        required=True,
        metavar="NAME",
        help=f"one of: {', '.join(shipped_recipes())}; or the path of a .yaml file",
    )
    parser.add_argument(
        "--name",
        metavar="MODEL",
        help="name of the model (default: the recipe's, and -fold-K with --fold)",
    )
    parser.add_argument(
        "--label", metavar="LABEL", help="label to learn from (default: the recipe's)"
    )
    parser.add_argument(
        "--split",
        metavar="patient|area|NAME",
        default="patient",
        help="what is kept apart: a split made by `pathoai split`, whose test stays locked; or, "
        "made on the spot, patients, or areas of the same slides, which says nothing about other "
        "patients (default: %(default)s)",
    )
    parser.add_argument("--fold", type=int, metavar="K", help="fold of the split (default: 1)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default: auto)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change a value of the recipe, e.g. model.learning_rate=0.001; may be repeated",
    )
    parser.add_argument("--max-steps", type=int, metavar="N", help="optimiser steps in all")
    parser.add_argument(
        "--again", action="store_true", help="train anew even where the same run is finished"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="give up a finished model of this name that is of another recipe, of other data or of "
        "another split",
    )
    add_slurm_options(parser)


def run(arguments: Namespace) -> None:
    study = Study(arguments.study)
    job = chosen_job(arguments)
    recipe = read_recipe(arguments.recipe, _overrides(arguments) + (job.overrides() if job else []))
    choice, name = _choice(arguments), arguments.name or _default_name(recipe.name, arguments.fold)
    if job is not None:
        from pathoai_training.recipes.build import build

        # A misspelt recipe is refused here, not hours later in the queue.
        workshop = build(recipe, study=study.path, split=choice)
        workshop.trainer.batches_per_step(workshop.data.batch_size)
        _submit(arguments, study, job, name)
        return

    from pathoai_training.processes import is_first_process
    from pathoai_training.train import train

    with progress_bar(f"Train {name}") as advance:
        bundle = train(
            study,
            recipe,
            name=name,
            split=choice,
            device=arguments.device,
            again=arguments.again,
            replace=arguments.replace,
            advance=advance,
        )
    if is_first_process():
        _report(bundle)


def _default_name(recipe: str, fold: int | None) -> str:
    """Each fold has a model of its own: the next one must not take its place."""
    return recipe if fold is None else f"{recipe}-fold-{fold}"


def _choice(arguments: Namespace) -> str:
    """The split, with its fold where one is given."""
    split: str = arguments.split
    if arguments.fold is None:
        return split
    if split in ("patient", "area"):
        raise InvalidValueError(
            "--fold goes with a split that has folds",
            found=f"--split {split}",
            allowed="a name given to `pathoai split STUDY --folds K --name NAME`",
        )
    return f"{split}/{arguments.fold}"


def _overrides(arguments: Namespace) -> list[str]:
    overrides = list(arguments.overrides)
    if arguments.label is not None:
        overrides.append(f"data.label={arguments.label}")
    if arguments.max_steps is not None:
        if arguments.max_steps < 1:
            raise InvalidValueError("--max-steps", found=arguments.max_steps, allowed="1 or more")
        overrides.append(f"trainer.max_steps={arguments.max_steps}")
    return overrides


def _submit(arguments: Namespace, study: Study, job: SlurmJob, name: str) -> None:
    """Print the job, or hand it to SLURM; inside, the same training runs with the same options."""
    folder = study.path / "runs" / name
    file = Path(arguments.recipe)
    recipe = str(file.resolve()) if file.is_file() else arguments.recipe
    words = ["train", str(study.path.resolve()), "--recipe", recipe, "--name", name]
    words += ["--split", arguments.split, "--device", arguments.device]
    words += [] if arguments.fold is None else ["--fold", str(arguments.fold)]
    words += ["--replace"] if arguments.replace else []
    for override in [*_overrides(arguments), *job.overrides()]:
        words += ["--set", override]
    script = job.script(words, name=name, folder=folder, again=arguments.again)
    if arguments.dry_run:
        print(script, end="")
        return
    number = submit(script, folder)
    print(f"Job {number} submitted; its log: runs/{name}/{JOB_LOG}{number}.log in the study")


def _report(bundle: ModelBundle) -> None:
    record = bundle.training
    print(f"Model {bundle.name}: {record['split']['statement']}")
    for name, value in _flat(record["metrics"]):
        print(f"  {name:<32} {'not in what was measured' if value is None else f'{value:.4g}'}")
    if unused := record["split"].get("unused"):
        print(f"  {len(unused)} labelled slides are in no subset: {', '.join(unused)}")
    if left_out := record.get("left_out"):
        print(f"  no longer of a pair, to be labelled again: {', '.join(left_out)}")
    print(f"  {record['label_statement']}")
    print(f"Bundle: models/{bundle.name} in the study. Research only.")


def _flat(metrics: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float | None]]:
    """Metrics and their classes in one row, named for people."""
    for key, value in metrics.items():
        # Keys of classes are words of the ontology and stay as they are.
        name = f"{above} {key}" if above else key.replace("_", " ").capitalize()
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif value is None or isinstance(value, int | float):
            yield name, value


COMMAND = Command(
    name="train",
    summary="train a model on the labelled slides of a study",
    example="pathoai train STUDY --recipe breast-nuclei-segmentation --split area",
    configure=configure,
    run=run,
)
