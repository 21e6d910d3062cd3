"""Leave one centre out: each centre judged by a model that saw none of it, then all pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.bundle import ModelBundle, load_bundle
from pathoai.progress import Advance, silent
from pathoai.provenance import ProvenanceRecord, sha256_of_file, sha256_of_json, utc_now
from pathoai.study.study import Study
from pathoai_training.evaluation.evaluate import Examined, examine
from pathoai_training.evaluation.worst_tiles import CASES
from pathoai_training.report.build_report import JSON, Report, build_report, write_report
from pathoai_training.report.context import LEFT_OUT_CENTRES, CaseRegion, EvaluationContext
from pathoai_training.report.joined_predictions import joined
from pathoai_training.splits.written_split import WrittenSplit, read_split


def fold_model(name: str, fold: int) -> str:
    """The model of a fold, as ``pathoai train --fold`` names it."""
    return f"{name}-fold-{fold}"


def evaluate_left_out_centres(
    study: Study,
    name: str,
    *,
    who: str = "operator",
    device: str = "auto",
    advance: Advance = silent,
) -> Report:
    """Judge the model of each fold on the centre that it was trained without; write one report.

    No test is opened before all models are known to be there and alike.

    Args:
        study: The study in which they were trained.
        name: Of the models, without ``-fold-K``.
        who: Code of the person who looks, never a name.
        device: ``auto``, ``cpu``, ``cuda``, …
        advance: Told of folds done and folds in all.

    Raises:
        ModelError: A fold's model is missing, or the models differ in more than their fold.
        InvalidValueError: Their split leaves no centre out; or ``who`` is no code.
        LeakError: The study changed, so that the split is another than that of training.
        StudyError: A store or a label is missing, or the log of openings was altered.
    """
    started = utc_now()
    split, bundles = _folds(study, name)
    found: list[Examined] = []
    for bundle in bundles:
        found.append(examine(study, bundle, subset="test", who=who, device=device))
        advance(len(found), len(bundles))
    parts = [one.judgement.predictions for one in found]
    report = build_report(
        _context(name, split, found),
        joined(parts),
        left_out=dict(zip(split.fold_names, parts, strict=True)),
        cases=_worst(found),
    )
    folder = study.evaluation_path(name, LEFT_OUT_CENTRES)
    write_report(report, folder)
    ProvenanceRecord(
        command="evaluate",
        parameters={"subset": LEFT_OUT_CENTRES},
        inputs={f"model/{bundle.name}": bundle.identity for bundle in bundles}
        | {f"split/{split.name}": split.sha256},
        outputs={f"evaluation/{name}/{LEFT_OUT_CENTRES}": sha256_of_file(folder / JSON)},
        started=started,
        ended=utc_now(),
    ).write(study.provenance_path)
    return report


def _folds(study: Study, name: str) -> tuple[WrittenSplit, list[ModelBundle]]:
    """The split, and the bundle of each of its folds."""
    first = load_bundle(study.model_path(fold_model(name, 1)))
    known = first.training.get("split", {})
    split = read_split(study, known["name"]) if known.get("name") else None
    if split is None or not split.plan.leave_one_centre_out:
        raise InvalidValueError(
            "the models were trained with no centre left out",
            where=first.name,
            found=known.get("name") or known.get("kind", "no split"),
            allowed="a split made by `pathoai split STUDY --leave-one-centre-out`",
        )
    names = [fold_model(name, fold) for fold in range(1, len(split.fold_names) + 1)]
    missing = [one for one in names if not study.model_path(one).is_dir()]
    if missing:
        raise ModelError(
            "models of some centres are missing",
            where=f"split {split.name}, {len(names)} centres",
            found=f"no {', no '.join(missing)}",
            remedy=f"train them with `pathoai train STUDY --recipe {first.training['recipe']} "
            f"--split {split.name} --fold K`",
        )
    bundles = [load_bundle(study.model_path(one)) for one in names]
    for fold, bundle in enumerate(bundles, start=1):
        _check_alike(first, bundle, fold)
    return split, bundles


def _check_alike(first: ModelBundle, bundle: ModelBundle, fold: int) -> None:
    """Refuse models that differ in more than their fold: pooled, they would be of no method.

    Raises:
        ModelError: With what differs.
    """
    split, wanted = bundle.training.get("split", {}), first.training["split"]
    parts = {
        "split": (split.get("sha256"), wanted["sha256"]),
        "fold": (split.get("fold"), fold),
        "recipe": (bundle.training.get("recipe"), first.training["recipe"]),
        "settings": (bundle.training.get("settings"), first.training["settings"]),
        "classes": (bundle.classes, first.classes),
    }
    for what, (found, allowed) in parts.items():
        if found != allowed:
            raise ModelError(
                f"the models of the folds differ in their {what}",
                where=bundle.name,
                found=found,
                allowed=f"{allowed}, as {first.name}" if what != "fold" else allowed,
                remedy=f"train {bundle.name} again, with the same recipe and --fold {fold}",
            )


def _context(name: str, split: WrittenSplit, found: Sequence[Examined]) -> EvaluationContext:
    """Of the first fold, as far as it is that of all."""
    tiles = [one.judgement.tiles for one in found if one.judgement.tiles is not None]
    return replace(
        found[0].context,
        model=name,
        bundle_sha256=sha256_of_json([one.context.bundle_sha256 for one in found]),
        split_statement=f"Split {split.name}: each of {len(found)} centres is judged by a model "
        "that was trained, chosen and calibrated without it. Pooled figures join the predictions "
        "of these models, each on its own centre: they are of the method, not of one model.",
        subset=LEFT_OUT_CENTRES,
        openings=max(one.context.openings or 0 for one in found),
        tiles=sum(tiles) if tiles else None,
        training_slides=None,
    )


def _worst(found: Sequence[Examined]) -> tuple[CaseRegion, ...]:
    """The worst of each centre, then the second of each, and so on."""
    ranks = zip_longest(*(one.judgement.cases for one in found))
    return tuple(case for case in chain.from_iterable(ranks) if case is not None)[:CASES]
