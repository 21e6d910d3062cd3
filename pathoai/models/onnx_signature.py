"""What an exported model takes and gives: names, types and axes, by the task of its bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pathoai.errors import ModelError
from pathoai.models.bundle import (
    INSTANCE_SEGMENTATION,
    REGION_CLASSIFICATION,
    SEMANTIC_SEGMENTATION,
    SLIDE_GRADING,
    ModelBundle,
)

_PROBABILITIES = "calibrated probabilities of the classes, in their order"


@dataclass(frozen=True, slots=True)
class Input:
    """One array that a model takes.

    Args:
        name: In the file.
        dtype: As numpy and torch both name it.
        axes: A length each, or a word where any length will do.
    """

    name: str
    dtype: str
    axes: tuple[str | int, ...]

    @property
    def free_axes(self) -> dict[int, str]:
        """Position → name of the axes that may have any length."""
        return {at: axis for at, axis in enumerate(self.axes) if isinstance(axis, str)}

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.name} ({', '.join(map(str, self.axes))}) {self.dtype}"


@dataclass(frozen=True, slots=True)
class Signature:
    """All of it.

    Args:
        inputs: In their order.
        outputs: Names, in their order; probabilities come first.
        input_note: What the inputs are.
        output_text: What the outputs are.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    input_note: str
    output_text: str

    @property
    def input_text(self) -> str:
        """For people."""
        return f"{'; '.join(one.text for one in self.inputs)}: {self.input_note}"


def signature_of(bundle: ModelBundle) -> Signature:
    """What the export of a bundle takes and gives.

    Raises:
        ModelError: No export is known for its task.
    """
    if bundle.task not in _SIGNATURES:
        raise ModelError(
            "models of this task cannot be exported to ONNX",
            where=bundle.name,
            found=bundle.task,
            allowed=", ".join(_SIGNATURES),
            remedy="use the bundle itself: safetensors and torch",
        )
    return _SIGNATURES[bundle.task](bundle)


def _of_pixels(bundle: ModelBundle) -> Signature:
    apart = bundle.outputs > len(bundle.classes)
    return Signature(
        (Input("images", "uint8", ("batch", 3, "height", "width")),),
        ("probabilities", "maps") if apart else ("probabilities",),
        "RGB at mpp; normalisation lies in the graph",
        f"{_PROBABILITIES}, of each pixel"
        + ("; then maps of the distance from the rim of objects" if apart else ""),
    )


def _of_regions(bundle: ModelBundle) -> Signature:
    side, context = bundle.spec.size_px, bundle.context
    return Signature(
        (Input("views", "uint8", ("batch", 1 + len(context), 3, side, side)),),
        ("probabilities",),
        "RGB squares about one centre, the first at mpp, the others as many times coarser as "
        "context says; normalisation and turned copies lie in the graph",
        f"{_PROBABILITIES}, of each region",
    )


def _of_slides(bundle: ModelBundle) -> Signature:
    return Signature(
        (
            Input("features", "float32", ("batch", "tiles", int(bundle.arguments["features"]))),
            Input("mask", "bool", ("batch", "tiles")),
        ),
        ("probabilities", "attention"),
        "features of a slide's tiles by the encoder, as they are; mask is true for tiles that are "
        "there, at least one of each slide",
        f"{_PROBABILITIES}, of each slide; then the weight of each tile",
    )


_SIGNATURES: Mapping[str, Callable[[ModelBundle], Signature]] = {
    SEMANTIC_SEGMENTATION: _of_pixels,
    INSTANCE_SEGMENTATION: _of_pixels,
    REGION_CLASSIFICATION: _of_regions,
    SLIDE_GRADING: _of_slides,
}
