"""Evaluating a bundle of a study on a subset of the split that it was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pathoai.errors import ModelError
from pathoai.models.bundle import (
    INSTANCE_SEGMENTATION,
    REGION_CLASSIFICATION,
    SEMANTIC_SEGMENTATION,
    SLIDE_GRADING,
    ModelBundle,
    load_bundle,
)
from pathoai.preprocess.device import choose_device
from pathoai.progress import Advance, silent
from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
from pathoai.study.study import Study
from pathoai_training.evaluation.judge_grading import judge_grading
from pathoai_training.evaluation.judge_instances import judge_instances
from pathoai_training.evaluation.judge_regions import judge_regions
from pathoai_training.evaluation.judge_segmentation import judge_segmentation
from pathoai_training.evaluation.judgement import Exam, Judge, Judgement
from pathoai_training.recipes.build import Workshop
from pathoai_training.report.build_report import JSON, Report, build_report, write_report
from pathoai_training.report.context import EvaluationContext
from pathoai_training.splits.openings import Opening, openings
from pathoai_training.trained_workshop import trained_workshop

JUDGES: Mapping[str, Judge] = {
    SEMANTIC_SEGMENTATION: judge_segmentation,
    INSTANCE_SEGMENTATION: judge_instances,
    REGION_CLASSIFICATION: judge_regions,
    SLIDE_GRADING: judge_grading,
}


def evaluate(
    study: Study,
    name: str,
    *,
    subset: str = "test",
    who: str = "operator",
    device: str = "auto",
    advance: Advance = silent,
) -> Report:
    """Judge a model on slides that it was not trained on, and write the report.

    Args:
        study: The study in which it was trained.
        name: Of the model.
        subset: ``test``, of which each look is logged before it is taken, or ``validation``.
        who: Code of the person who looks, never a name.
        device: ``auto``, ``cpu``, ``cuda``, …
        advance: Told of tiles done and tiles in all.

    Raises:
        ModelError: There is no such model, or none of its task can be evaluated.
        LeakError: The study changed, so that the split is another than that of training.
        StudyError: A store or a label is missing, or the log of openings was altered.
        InvalidValueError: ``who`` is no code.
    """
    started = utc_now()
    bundle = load_bundle(study.model_path(name))
    found = examine(study, bundle, subset=subset, who=who, device=device, advance=advance)
    judgement = found.judgement
    report = build_report(
        found.context,
        judgement.predictions,
        decisions=judgement.decisions,
        cases=judgement.cases,
    )
    write_report(report, study.evaluation_path(name, subset))
    _note(study, bundle, subset, started)
    return report


@dataclass(frozen=True)
class Examined:
    """A model judged on a subset, before a report is made of it.

    Args:
        context: How it came about.
        judgement: What was found.
    """

    context: EvaluationContext
    judgement: Judgement


def examine(
    study: Study,
    bundle: ModelBundle,
    *,
    subset: str,
    who: str,
    device: str,
    advance: Advance = silent,
) -> Examined:
    """Judge a bundle on a subset of its own split; arguments and errors as of :func:`evaluate`."""
    judge = _judge_of(bundle)
    workshop = trained_workshop(study, bundle, choose_device(device))
    looks = _open_test(study, bundle, workshop, who) if subset == "test" else None
    judgement = judge(Exam(workshop.model, workshop.data, subset, bundle, study.cohort), advance)
    context = replace(_context(study, bundle, workshop, judgement), subset=subset, openings=looks)
    return Examined(context, judgement)


def _judge_of(bundle: ModelBundle) -> Judge:
    if bundle.task not in JUDGES:
        raise ModelError(
            "no evaluation is known for this task",
            where=bundle.name,
            found=bundle.task,
            allowed=", ".join(JUDGES),
        )
    return JUDGES[bundle.task]


def _open_test(study: Study, bundle: ModelBundle, workshop: Workshop, who: str) -> int:
    """Log the look at the test, and say how often it has been looked at, this time included."""
    split = workshop.data.split
    opening = Opening(
        split=split.name or str(split.kind),
        split_sha256=split.sha256,
        fold=split.fold,
        model=bundle.name,
        model_sha256=bundle.identity,
        purpose="evaluate",
        who=who,
    )
    workshop.data.open_test(study, opening)
    alike = [o.opening for o in openings(study) if o.opening.split_sha256 == split.sha256]
    return sum(o.fold == split.fold for o in alike)


def _statement(workshop: Workshop) -> str:
    split = workshop.data.split
    if split.is_locked:
        return (
            f"Split {split.name}, fold {split.fold}: patients, blocks and slides of the test were "
            "kept from training, from the choice of the model and from its calibration."
        )
    return _sentence(split.statement)


def _context(
    study: Study, bundle: ModelBundle, workshop: Workshop, judgement: Judgement
) -> EvaluationContext:
    record = bundle.training
    split = record["split"]
    return EvaluationContext(
        model=bundle.name,
        task=bundle.task,
        bundle_sha256=bundle.identity,
        recipe=record["recipe"],
        ontology=f"{bundle.ontology} {bundle.ontology_version}",
        split_kind=split["kind"],
        split_sha256=split["sha256"],
        split_statement=_statement(workshop),
        subset="",
        created=utc_now(),
        label_statement=_labels(record, workshop),
        intended_use=bundle.intended_use,
        licence=bundle.licence,
        software=record["software"],
        commit=record["commit"] or "",
        tiles=judgement.tiles,
        training_slides=_trained_on(workshop),
        seed=record["seed"],
        architecture=bundle.architecture,
        mpp=bundle.spec.mpp,
        preparation=workshop.data.preparation,
        study=study.sheet.title,
    )


def _trained_on(workshop: Workshop) -> int:
    split = workshop.data.split
    pairs = zip(split.slide_ids, split.subsets, strict=True)
    return len({slide_id for slide_id, subset in pairs if subset == "train"})


def _labels(record: Mapping[str, Any], workshop: Workshop) -> str:
    """Where the labels come from, and whether they are still those of training."""
    before, now = _learnt(record["slides"]), _learnt(workshop.data.record()["slides"])
    changed = sum(
        before[slide_id] != label for slide_id, label in now.items() if slide_id in before
    )
    text = _sentence(record["label_statement"])
    if changed:
        text += f" The labels of {changed} slides have changed since training."
    return text


def _learnt(slides: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Slide → its grade, or the hash of its label where parts of it are labelled."""
    return {s["slide_id"]: s.get("label_sha256", s.get("grade")) for s in slides}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _note(study: Study, bundle: ModelBundle, subset: str, started: str) -> None:
    report = study.evaluation_path(bundle.name, subset) / JSON
    ProvenanceRecord(
        command="evaluate",
        parameters={"subset": subset},
        inputs={
            f"model/{bundle.name}": bundle.identity,
            f"split/{bundle.training['split']['kind']}": bundle.training["split"]["sha256"],
        },
        outputs={f"evaluation/{bundle.name}/{subset}": sha256_of_file(report)},
        started=started,
        ended=utc_now(),
    ).write(study.provenance_path)
