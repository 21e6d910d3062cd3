"""The model card: what a stranger must know of a model, written from its bundle alone.

Layout: Mitchell M et al. Model cards for model reporting. FAT* 2019, with the front matter that
model hubs read (Hugging Face, "Model cards" and "Model card metadata"). Numbers instead of codes:
a card travels further than the study. The same bundle and notes give the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from pathoai.models.card_counts import COUNTED, SUBSETS, CardCounts
from pathoai.models.card_notes import NOTES, QUESTIONS

if TYPE_CHECKING:  # the bundle writes its card: at run time this would be a circle
    from pathoai.models.bundle import ModelBundle

CARD = "README.md"
PERSON = "A person must fill this in:"
_NOT_RECORDED = "not recorded"


def model_card(bundle: ModelBundle, notes: Mapping[str, str], *, is_published: bool = False) -> str:
    """The card, in Markdown with YAML front matter.

    Args:
        bundle: With the hash of its weights.
        notes: What a person said, by heading: :func:`pathoai.models.card_notes.read_notes`.
        is_published: Whether it leaves the institution: then small counts are masked.
    """
    counts = CardCounts.of(bundle.training)
    sections = {
        "What it is": _what(bundle),
        "Intended use": _intended(bundle),
        "Data": _data(bundle.training, counts.published() if is_published else counts),
        "Training": _training(bundle),
        "Metrics": _metrics(bundle.training),
        "Calibration": _calibration(bundle),
        "Decision rule": _decision(bundle),
        "Encoder": _encoder(bundle),
        "Limits": _limits(bundle),
        "What only a person can say": _notes(notes),
    }
    front = yaml.safe_dump(_front_matter(bundle), sort_keys=False, allow_unicode=True, width=100)
    body = "\n".join(f"## {title}\n\n{_text(lines)}\n" for title, lines in sections.items())
    return f"---\n{front}---\n\n# {bundle.name}\n\n{body}"


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines)


def _front_matter(bundle: ModelBundle) -> dict[str, Any]:
    results: list[dict[str, Any]] = [
        {"type": name.replace(" ", "_"), "name": name, "value": value}
        for name, value in _flat(bundle.training.get("metrics", {}))
        if value is not None
    ]
    split = bundle.training.get("split", {})
    kind = "segmentation" if bundle.task.endswith("segmentation") else "classification"
    pipeline = f"image-{kind}"
    measured = {
        "task": {"type": pipeline, "name": bundle.task},
        "dataset": {
            "type": "private",
            "name": f"coded study, split {str(split.get('sha256', ''))[:12] or _NOT_RECORDED}",
        },
        "metrics": results,
    }
    return {
        "license": bundle.licence.lower() or "unknown",
        "library_name": "pathoai",
        "pipeline_tag": pipeline,
        "tags": ["pathology", "histology", "whole-slide-imaging", bundle.ontology, bundle.task],
        "metrics": sorted(bundle.training.get("metrics", {})),
        "model-index": [{"name": bundle.name, "results": [measured] if results else []}],
    }


def _what(bundle: ModelBundle) -> Iterator[str]:
    spec = bundle.spec
    yield f"- Task: {bundle.task}"
    yield f"- Classes: {', '.join(bundle.classes)} ({bundle.ontology} {bundle.ontology_version})"
    yield f"- Architecture: `{bundle.architecture}`"
    yield (
        f"- Input: RGB tiles of {spec.size_px} × {spec.size_px} px at {spec.mpp:g} µm per pixel, "
        f"mean {list(bundle.normalisation.mean)} and deviation {list(bundle.normalisation.std)} "
        "of values 0 to 1"
    )
    yield f"- Licence of the weights: {bundle.licence or f'none stated. {PERSON} the licence'}"
    yield f"- Identity: SHA-256 `{bundle.identity}`, weights `{bundle.weights_sha256}`"


def _intended(bundle: ModelBundle) -> Iterator[str]:
    yield bundle.intended_use or f"{PERSON} what the model may be used for, and what not"
    yield ""
    yield "Not for the care of patients, nor for another scale, stain or tissue than it learnt."


def _data(training: Mapping[str, Any], counts: CardCounts) -> Iterator[str]:
    split = training.get("split", {})
    yield "| subset | " + " | ".join(COUNTED) + " | tiles |"
    yield "|---" * (len(COUNTED) + 2) + "|"
    tiles = split.get("tiles", {})
    for subset in SUBSETS:
        cells = [counts.subsets[subset][column] for column in COUNTED]
        yield f"| {subset} | " + " | ".join([*cells, _number(tiles.get(subset))]) + " |"
    yield ""
    yield (
        "A slide without a patient, centre or scanner on record counts as none of these; a slide "
        "that is split by area counts in each subset it has a part in."
    )
    yield ""
    yield f"- Labelled slides: {counts.labelled}; in no subset: {counts.unused}"
    yield f"- Split: {split.get('kind', _NOT_RECORDED)}, SHA-256 `{split.get('sha256', '?')}`"
    yield f"- What the split says: {split.get('statement', _NOT_RECORDED)}"
    labels = str(training.get("label_statement", _NOT_RECORDED)).removeprefix("labels: ")
    yield f"- Labels: {labels}"


def _training(bundle: ModelBundle) -> Iterator[str]:
    training = bundle.training
    rows = {
        "Recipe": training.get("recipe"),
        "Seed": training.get("seed"),
        "Steps": training.get("steps"),
        "Device": training.get("device"),
        "Precision": training.get("precision"),
        "Finished": training.get("finished"),
        "Commit": training.get("commit"),
        "Fingerprint of the run": training.get("fingerprint"),
    }
    for name, value in rows.items():
        yield f"- {name}: {_NOT_RECORDED if value is None else value}"
    software = training.get("software", {})
    yield "- Software: " + (", ".join(f"{k} {v}" for k, v in software.items()) or _NOT_RECORDED)


def _metrics(training: Mapping[str, Any]) -> Iterator[str]:
    rows = list(_flat(training.get("metrics", {})))
    if not rows:
        yield "None were recorded."
        return
    statement = training.get("split", {}).get("statement", f"on what is {_NOT_RECORDED}")
    yield f"At the end of training: {statement}."
    yield "Single figures without intervals: `pathoai evaluate` reports them with their intervals."
    yield ""
    yield "| metric | value |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {name} | {'not in what was measured' if value is None else f'{value:.6g}'} |"


def _calibration(bundle: ModelBundle) -> Iterator[str]:
    calibration = bundle.calibration
    yield f"Logits are divided by {calibration.temperature:.6g}, then softmax."
    reliability = calibration.reliability
    if not reliability.count:
        yield "How well that holds was not measured."
        return
    yield f"Expected calibration error {reliability.expected_error:.4f}:"
    yield ""
    yield "| confidence | came true | count |"
    yield "|---|---|---|"
    rows = zip(reliability.confidence, reliability.accuracy, reliability.count, strict=True)
    for confidence, accuracy, count in rows:
        yield f"| {confidence:.3f} | {accuracy:.3f} | {count} |"


def _decision(bundle: ModelBundle) -> Iterator[str]:
    if not bundle.decision:
        yield "The most probable class."
    for key, value in bundle.decision.items():
        yield f"- {key}: {value}"


def _encoder(bundle: ModelBundle) -> Iterator[str]:
    if not bundle.encoder:
        yield "None: the weights began at random."
    for key, value in bundle.encoder.items():
        yield f"- {key}: {value}"


def _limits(bundle: ModelBundle) -> Iterator[str]:
    yield "- Research only: not a medical device."
    yield f"- It knows {len(bundle.classes)} classes; whatever it sees, it names one of them."
    yield f"- It was seen at {bundle.spec.mpp:g} µm per pixel only: not to be run at another."
    counts = bundle.training.get("cohort", {}).get("train", {})
    for what in ("centres", "scanners"):
        number = counts.get(what)
        known = f"{number} {what}" if number else f"an unknown number of {what}"
        yield f"- Trained on {known}: how it does on others must be measured there."
    if "not validated by a pathologist" in str(bundle.training.get("label_statement", "")):
        yield "- No pathologist validated the labels that it learnt and was measured on."


def _notes(notes: Mapping[str, str]) -> Iterator[str]:
    yield (
        f"Kept in `{NOTES}`, beside this card, which is written again by "
        "`pathoai model card STUDY --model NAME`."
    )
    for heading, hint in QUESTIONS.items():
        yield from ("", f"### {heading}", "", notes.get(heading, f"{PERSON} {hint}."))
    for heading in (h for h in notes if h not in QUESTIONS):
        yield from ("", f"### {heading}", "", notes[heading])


def _flat(metrics: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float | None]]:
    """Metrics and their classes in one row; what is no number stays in the bundle."""
    for key, value in metrics.items():
        name = f"{above} {key}" if above else key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif value is None or isinstance(value, int | float):
            yield name, value


def _number(value: object) -> str:
    return _NOT_RECORDED if value is None else str(value)
