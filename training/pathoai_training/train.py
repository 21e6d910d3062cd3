"""Training from stores and labels to a model bundle, resumable and repeatable."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import ModelError, RecipeError, StudyError
from pathoai.models.bundle import ModelBundle, load_bundle, save_bundle
from pathoai.preprocess.device import choose_device
from pathoai.progress import Advance, silent
from pathoai.provenance import ProvenanceRecord, sha256_of_json, utc_now
from pathoai.study.study import Study
from pathoai_training.description import intended_use, training_record
from pathoai_training.name_taken import name_taken
from pathoai_training.preempt import Preemption
from pathoai_training.processes import is_first_process, start_of_job, wait_for_note
from pathoai_training.recipes.build import Workshop, build
from pathoai_training.recipes.recipe import Recipe
from pathoai_training.recipes.trainer_settings import CHANGES_NO_WEIGHT
from pathoai_training.running.lightning_run import fit, precision_of
from pathoai_training.running.slurm_job import JOB_LOG
from pathoai_training.splits.cohort_counts import cohort_counts
from pathoai_training.splits.openings import Opening

_RUN = "run.json"


@dataclass(frozen=True, slots=True)
class _Run:
    """One training run: its folder, and the hash of everything that shapes its result."""

    name: str
    folder: Path
    fingerprint: str


def train(  # noqa: PLR0913 - the options of the command, kept flat
    study: Study,
    recipe: Recipe,
    *,
    name: str | None = None,
    split: str = "patient",
    device: str = "auto",
    again: bool = False,
    replace: bool = False,
    advance: Advance = silent,
) -> ModelBundle:
    """Train a model on a study's labelled stores, and keep it in the study as a bundle.

    A run that was killed goes on from its last checkpoint; one that is finished is not repeated
    while recipe, stores, labels and split are the same, and not replaced where they are not.

    Args:
        study: With stores and labels.
        recipe: With all overrides, from :func:`pathoai_training.recipes.recipe.read_recipe`.
        name: Of the model; the recipe's name where None.
        split: What is kept apart: ``patient``, ``area`` (of the same slides), or a written split:
            ``NAME`` or ``NAME/FOLD``, whose test stays locked.
        device: ``auto``, ``cpu``, ``cuda``, …
        again: Train anew even where the same run is finished or half done.
        replace: Give up a finished model of this name that was trained otherwise.
        advance: Told of steps done and steps in all.

    Raises:
        PreemptedError: A signal asked for the machine (SIGUSR1, SIGTERM); the last whole step is
            kept.
        ModelError: A finished model of another recipe, other data or another split has the name.
        RecipeError: A key or value of the recipe is wrong, or it is for another ontology.
        StudyError: No store, no such label, or labels without the classes.
        LeakError: Too few patients or areas, or subsets share patients, blocks, slides or areas.
        InvalidValueError: The name or device cannot be used.
    """
    name = recipe.name if name is None else name
    study.model_path(name)  # refuses what is no name, before hours of work
    _check_ontology(recipe, study)
    chosen = choose_device(device)
    preemption = Preemption()
    with preemption.listening():
        workshop = build(recipe, study=study.path, split=split)
        workshop.data.setup()
        workshop.model.begin(workshop.data.spec)
        workshop.model.check(workshop.data)
        run = _Run(name, study.path / "runs" / name, _fingerprint(recipe, workshop))
        known = _finished(study, name)
        is_same = known is not None and known.training.get("fingerprint") == run.fingerprint
        if known is not None and is_same and not again:
            return known
        if known is not None and not is_same and not replace:
            raise name_taken(name, known, recipe, workshop)
        started = utc_now()
        workshop.data.split.write(study.splits_path)
        _prepare_folder(run, again=again)
        trainer = fit(
            workshop, device=chosen, folder=run.folder, preemption=preemption, advance=advance
        )
        if is_first_process():
            _publish(study, recipe, workshop, run, trainer, started)
        trainer.strategy.barrier("published")
        return load_bundle(study.model_path(name))


def _check_ontology(recipe: Recipe, study: Study) -> None:
    ontology = study.ontology
    if recipe.content["ontology"] != ontology.key:
        raise RecipeError(
            "the recipe is for another ontology than the study's",
            where=recipe.name,
            found=recipe.content["ontology"],
            allowed=ontology.key,
        )
    for key in recipe.content["classes"]:
        ontology[key]


def _fingerprint(recipe: Recipe, workshop: Workshop) -> str:
    """Of all that shapes the weights; what does not may change between two parts of a run."""
    content = copy.deepcopy(dict(recipe.content))
    for section, keys in CHANGES_NO_WEIGHT.items():
        values = content.get(section) or {}
        for key in keys:
            (values.get("init_args") or values).pop(key, None)
    # All folds of a split have one hash.
    fold = workshop.data.split.fold
    return sha256_of_json(
        {
            "recipe": content,
            "fold": fold,
            "encoder": workshop.model.encoder,
            **workshop.data.inputs(),
        }
    )


def _finished(study: Study, name: str) -> ModelBundle | None:
    try:
        return load_bundle(study.model_path(name))
    except ModelError:
        # None yet, or an altered one whose remedy is to train it again.
        return None


def _prepare_folder(run: _Run, *, again: bool) -> None:
    """Keep the folder of the same unfinished run; anything else in it belongs to another."""
    path, note = run.folder / _RUN, {"fingerprint": run.fingerprint, **start_of_job()}
    if not is_first_process():
        wait_for_note(path, note)
        return
    known = json.loads(path.read_text("utf8")) if path.is_file() else {}
    run.folder.mkdir(parents=True, exist_ok=True)
    if again or known.get("fingerprint") != run.fingerprint:
        _clear(run.folder)
    write_text_atomically(path, json.dumps(note) + "\n")


def _clear(folder: Path) -> None:
    """Remove all of a run but the log files of SLURM jobs: this job writes to one of them."""
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        elif not old.name.startswith(JOB_LOG):
            old.unlink()


def _check_nobody_left(study: Study, workshop: Workshop, run: _Run) -> None:
    """Publish nothing that was learnt from somebody who was taken out of the study meanwhile.

    An erasure that looked before the bundle was there could not have named it.
    """
    known = {row.slide_id for row in study.cohort}
    learnt = {str(slide["slide_id"]) for slide in workshop.data.record()["slides"]}
    if gone := learnt - known:
        _clear(run.folder)
        raise StudyError(
            "slides were taken out of the study while the model was trained: it is not published, "
            "and its checkpoints are deleted",
            where=run.name,
            found=f"{len(gone)} of {len(learnt)} slides are gone",
            remedy="run the same command again: it trains without them",
        )


def _publish(
    study: Study,
    recipe: Recipe,
    workshop: Workshop,
    run: _Run,
    trainer: Trainer,
    started: str,
) -> None:
    """Calibrate on validation, measure on what may be looked at, write bundle and provenance."""
    _check_nobody_left(study, workshop, run)
    device = trainer.strategy.root_device
    model, data = workshop.model.to(device), workshop.data
    validation = measured = model.examine(data, "validation")
    if not data.split.is_locked:
        split = data.split
        data.open_test(
            study,
            Opening(str(split.kind), split.sha256, split.fold, run.name, run.fingerprint, "train"),
        )
        measured = model.examine(data, "test")
    found = model.conclude(validation, measured)
    record = training_record(recipe, data, found.metrics) | {
        "fingerprint": run.fingerprint,
        "steps": trainer.global_step,
        "device": device.type,
        "precision": precision_of(workshop.trainer, device),
        "cohort": cohort_counts(study.cohort, data.split),
    }
    bundle = ModelBundle(
        name=run.name,
        task=model.kind,
        architecture=model.architecture,
        arguments=model.arguments,
        ontology=study.ontology.key,
        ontology_version=study.ontology.version,
        classes=model.channels,
        spec=data.spec,
        normalisation=model.normalise,
        calibration=found.calibration,
        decision=found.decision,
        reference=model.reference(data),
        encoder=model.encoder,
        training=record,
        licence=str(recipe.content.get("licence", "")),
        intended_use=intended_use(record),
    )
    _check_nobody_left(study, workshop, run)  # measuring a large study takes hours
    saved = save_bundle(study.model_path(run.name), bundle, model.network)
    _note(study, recipe, saved, record, started)


def _note(
    study: Study, recipe: Recipe, bundle: ModelBundle, record: dict[str, Any], started: str
) -> None:
    ProvenanceRecord(
        command="train",
        parameters={"recipe": recipe.name, "settings": dict(recipe.content)},
        inputs={f"store/{s['slide_id']}": s["store"] for s in record["slides"]}
        | {f"split/{record['split']['kind']}": record["split"]["sha256"]},
        outputs={f"model/{bundle.name}": bundle.identity},
        started=started,
        ended=utc_now(),
    ).write(study.provenance_path)
