"""``pathoai model``: cards of models, and models as files for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from pathoai.cli.command import Command, add_action
from pathoai.progress import progress_bar

_CARD = "pathoai model card my-study --model breast-nuclei-segmentation"
_EXPORT = "pathoai model export my-study --model breast-nuclei-segmentation --to onnx"
_VERIFY = "pathoai model verify my-study/models/breast-nuclei-segmentation/onnx"


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    card = add_action(words, "card", "write a model's card again, with what you noted", _CARD)
    _configure_choice(card, _card)

    export = add_action(words, "export", "write a model for programs without torch", _EXPORT)
    _configure_choice(export, _export)
    export.add_argument(
        "out",
        type=Path,
        nargs="?",
        metavar="OUT",
        help="the folder to make (default: onnx in the model's, where `pathoai predict` looks)",
    )
    export.add_argument(
        "--to", required=True, choices=("onnx",), help="onnx, for onnxruntime, QuPath and others"
    )
    export.add_argument(
        "--int8", action="store_true", help="also in 8-bit integers, faster on a CPU"
    )

    verify = add_action(
        words, "verify", "check that an exported model is unchanged and runs", _VERIFY
    )
    verify.add_argument("out", type=Path, metavar="OUT", help="the folder that was exported")
    verify.set_defaults(action=_verify)


def _configure_choice(parser: ArgumentParser, action: object) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--model", required=True, metavar="NAME", help="a model of the study")
    parser.set_defaults(action=action)


def run(options: Namespace) -> None:
    options.action(options)


def _card(options: Namespace) -> None:
    from pathoai.models.bundle import load_bundle, write_card
    from pathoai.models.card_notes import NOTES, write_template
    from pathoai.models.model_card import CARD, PERSON
    from pathoai.study.study import Study

    folder = Study(options.study).model_path(options.model)
    bundle = load_bundle(folder)
    is_new = write_template(folder)
    write_card(folder, bundle)
    left = (folder / CARD).read_text("utf8").count(PERSON)
    print(f"Card: models/{options.model}/{CARD} in the study")
    if left:
        start = "answer them" if is_new else "go on"
        print(f"{left} things only a person can say are missing: {start} in {NOTES}")


def _export(options: Namespace) -> None:
    from pathoai.models.runtimes import EXPORT
    from pathoai.study.study import Study
    from pathoai_training.export.export_model import export_model

    study = Study(options.study)
    out = options.out or study.model_path(options.model) / EXPORT
    with progress_bar(f"comparing {options.model} with torch") as advance:
        record = export_model(study, options.model, out, int8=options.int8, advance=advance)
    for name, about in record["files"].items():
        print(f"{name}: {about['bytes'] / 1e6:.1f} MB. {_verdict(about['verified_on_validation'])}")
    print(f"{out.name}: models, card, export.json. {record['intended_use']}")


def _verdict(found: dict[str, Any]) -> str:
    return (
        f"On {found['items']} held-out {found['unit']}: differs by "
        f"{found['largest_difference']:.2g} at most, same class in {found['agreement']:.3%} of "
        f"{found['decided']}, quality lower by "
        f"{found['quality_drop']:.4f}"
    )


def _verify(options: Namespace) -> None:
    from pathoai.models.onnx_model import load_onnx_model, read_record

    record = read_record(options.out)
    for name, about in record["files"].items():
        model = load_onnx_model(options.out, about["precision"])
        outputs = model.run(*model.blank_inputs())
        shapes = ", ".join(str(output.shape) for output in outputs)
        print(f"{name}: unchanged, bundle {record['bundle_sha256'][:12]}…, gives {shapes}")


COMMAND = Command(
    name="model",
    summary="a model's card; export it for other programs, verify an export",
    example="pathoai model export my-study out --model breast-nuclei-segmentation --to onnx",
    configure=configure,
    run=run,
)
