"""Segmenters in files: a small one made here, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import MissingFileError, ModelError
from pathoai.models.onnx_packages import has_onnx_packages, onnx_package
from pathoai_annotations.drawing.click_outline import outline_method
from pathoai_annotations.drawing.onnx_outline import OnnxOutline
from pathoai_annotations.drawing.outline_choice import (
    MODEL_VARIABLE,
    choose_model,
    chosen_method,
)

if not has_onnx_packages():
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

POINT = np.array([[20.5, 12.5]])
NONE = np.empty((0, 2))


def save(
    path: Path,
    nodes: list[object],
    inputs: list[object],
    outputs: list[object],
    **ready: NDArray[Any],
) -> Path:
    """Write a graph; ``ready`` are its constants."""
    onnx = onnx_package("onnx")
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in ready.items()]
    graph = onnx.helper.make_graph(nodes, "outline", inputs, outputs, constants)
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def value(name: str, dtype: str, shape: list[Any]) -> object:
    onnx = onnx_package("onnx")
    made: object = onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, dtype), shape)
    return made


def dark_pixels(path: Path, *, sides: list[Any] | None = None, **changes: object) -> Path:
    """A model whose first mask is what is dark and whose second, the better one, what is not.

    The number of its second mask's score is that of the clicks in the object.
    """
    onnx = onnx_package("onnx")
    height, width = sides or ["H", "W"]
    node = onnx.helper.make_node
    nodes = [
        node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
        node("Sub", ["threshold", "grey"], ["dark"]),
        node("Neg", ["dark"], ["light"]),
        node("Concat", ["dark", "light"], ["masks"], axis=1),
        node("ReduceSum", ["point_labels"], ["clicked"], keepdims=1),
        node("Sub", ["two", "clicked"], ["other"]),
        node("Concat", ["other", "clicked"], ["iou_predictions"], axis=1),
        node("Identity", ["point_coords"], ["unused"]),
    ]
    inputs = {
        "image": value("image", "FLOAT", [1, 3, height, width]),
        "point_coords": value("point_coords", "FLOAT", [1, "N", 2]),
        "point_labels": value("point_labels", "FLOAT", [1, "N"]),
    }
    outputs = {
        "masks": value("masks", "FLOAT", [1, 2, height, width]),
        "iou_predictions": value("iou_predictions", "FLOAT", [1, 2]),
        "unused": value("unused", "FLOAT", [1, "N", 2]),
    }
    both = inputs | outputs | changes
    return save(
        path,
        nodes,
        [both[name] for name in inputs],
        [both[name] for name in outputs if both[name] is not None],
        threshold=np.array([128], np.float32),
        two=np.array([[1.5]], np.float32),
    )


def half_dark(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 3), 220, np.uint8)
    pixels[:, : width // 2] = 40
    return pixels


def test_the_mask_that_the_model_thinks_best_is_taken(tmp_path: Path) -> None:
    method = OnnxOutline(dark_pixels(tmp_path / "dark.onnx"))
    pixels = half_dark()
    light = method(pixels, None, POINT, NONE)
    assert light.dtype == np.bool_
    assert np.array_equal(light, pixels[..., 0] > 128)
    # One click beside and none in the object: the first mask's score is the higher one.
    dark = method(pixels, None, NONE, POINT)
    assert np.array_equal(dark, ~light)


def test_a_model_of_one_size_sees_the_picture_scaled_into_its_corner(tmp_path: Path) -> None:
    method = OnnxOutline(dark_pixels(tmp_path / "dark.onnx", sides=[64, 64]))
    found = method(half_dark(48, 32), None, POINT, NONE)
    assert found.shape == (48, 32)
    assert found[:, 18:].all()
    assert not found[:, :14].any()


def test_without_scores_the_first_mask_counts(tmp_path: Path) -> None:
    path = dark_pixels(tmp_path / "dark.onnx", iou_predictions=None)
    found = OnnxOutline(path)(half_dark(), None, POINT, NONE)
    assert found[:, 0].all()


def test_files_that_are_no_such_models_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such outline model"):
        OnnxOutline(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="no ONNX model") as refusal:
        OnnxOutline(tmp_path / "text.onnx")
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "said"),
    [
        ("image", "DOUBLE", [1, 3, "H", "W"], "tensor.double"),
        ("image", "FLOAT", [1, 1, "H", "W"], r"shape \(1, 3, any, any\)"),
        ("point_coords", "FLOAT", [1, 1, 2], r"shape \(1, free, 2\)"),
    ],
)
def test_another_type_or_shape_is_refused_by_name(
    tmp_path: Path, name: str, dtype: str, shape: list[Any], said: str
) -> None:
    path = identity(tmp_path / "other.onnx", dtype=dtype, **{name: value(name, dtype, shape)})
    with pytest.raises(ModelError, match=f"{name} of the outline model.*{said}"):
        OnnxOutline(path)


def test_other_names_are_refused(tmp_path: Path) -> None:
    onnx = onnx_package("onnx")
    nodes = [onnx.helper.make_node("Identity", ["pixels"], ["masks"])]
    shape = [1, 3, "H", "W"]
    path = save(
        tmp_path / "other.onnx",
        nodes,
        [value("pixels", "FLOAT", shape)],
        [value("masks", "FLOAT", shape)],
    )
    with pytest.raises(ModelError, match=r"pixels → masks; allowed: image, point_coords"):
        OnnxOutline(path)


def test_the_model_that_is_named_outlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, "")
    assert chosen_method() is outline_method()
    with pytest.raises(MissingFileError, match="no such outline model"):
        choose_model(tmp_path / "absent.onnx")
    assert chosen_method() is outline_method()
    choose_model(dark_pixels(tmp_path / "dark.onnx"))
    assert isinstance(chosen_method(), OnnxOutline)


def test_masks_of_another_size_are_an_error_of_the_model(tmp_path: Path) -> None:
    onnx = onnx_package("onnx")
    path = identity(
        tmp_path / "small.onnx",
        node=onnx.helper.make_node(
            "MaxPool", ["image"], ["masks"], kernel_shape=[2, 2], strides=[2, 2]
        ),
    )
    with pytest.raises(ModelError, match=r"masks of another size.*allowed: \(1, M, 24, 40\)"):
        OnnxOutline(path)(half_dark(), None, POINT, NONE)


def identity(path: Path, *, node: object = None, dtype: str = "FLOAT", **changes: object) -> Path:
    """A model that gives its picture, or a node's result, as masks."""
    onnx = onnx_package("onnx")
    inputs = {
        "image": value("image", "FLOAT", [1, 3, "H", "W"]),
        "point_coords": value("point_coords", "FLOAT", [1, "N", 2]),
        "point_labels": value("point_labels", "FLOAT", [1, "N"]),
    } | changes
    return save(
        path,
        [node or onnx.helper.make_node("Identity", ["image"], ["masks"])],
        list(inputs.values()),
        [value("masks", dtype, [1, "M", "h", "w"])],
    )
