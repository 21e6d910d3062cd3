from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from napari_pathoai.opening.outline_writer import write_layers
from napari_pathoai.picture.layers import slide_layers
from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp, Size
from pathoai.slide.memory_reader import MemoryReader
from pathoai_annotations.formats.geojson_outlines import read_outlines
from pathoai_annotations.slide_frame import SlideFrame

if TYPE_CHECKING:
    import napari

MPP = Mpp(0.25, 0.252)
FRAME = SlideFrame(Size(400, 300), MPP)
"""µm of the world per level-0 pixel are (0.252, 0.25) along y and x."""


@pytest.fixture
def viewer() -> napari.Viewer:
    """A model of a viewer, without a window, that shows a slide."""
    from napari.components import ViewerModel

    model = ViewerModel()
    pixels = np.full((300, 400, 3), 230, np.uint8)
    ((data, settings, _),) = slide_layers(MemoryReader(pixels, mpp=MPP), name="slide")
    model.add_image(data, **settings)
    return model


@pytest.fixture(autouse=True)
def window(viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model stands for the window in front."""
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)


def layer_data(viewer: napari.Viewer) -> list[tuple[object, dict[str, object], str]]:
    return [layer.as_layer_data_tuple() for layer in list(viewer.layers)[1:]]


def test_what_was_drawn_is_written_in_pixels_of_the_slide(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    um = np.array([[10.0, 20], [10, 60], [40, 60]])
    viewer.add_shapes(
        [um, um],
        shape_type=["polygon", "path"],
        edge_color=["#ff0080", "#00ff00"],
        features={"label": np.array(["hsil", ""], object)},
    )
    viewer.add_points(um[:1] / 2, scale=(2, 2), face_color="#0000ff")
    path = str(tmp_path / "a.geojson")
    assert write_layers(path, layer_data(viewer)) == [path]
    area, line, point = read_outlines(Path(path), FRAME)
    px = um[:, ::-1] / (0.25, 0.252)
    assert shapely.equals_exact(area.geometry, shapely.Polygon(px), 1e-3)
    assert (area.name, area.rgb) == ("hsil", (255, 0, 128))
    assert shapely.equals_exact(line.geometry, shapely.LineString(px), 1e-3)
    assert (line.name, line.rgb) == ("", (0, 255, 0))
    assert shapely.equals_exact(point.geometry, shapely.Point(px[0]), 1e-3)
    assert point.rgb == (0, 0, 255)


def test_an_ellipse_is_written_as_its_outline(viewer: napari.Viewer, tmp_path: Path) -> None:
    corners = np.array([[10.0, 10], [10, 50], [30, 50], [30, 10]])
    viewer.add_shapes([corners], shape_type="ellipse")
    write_layers(str(tmp_path / "a.geojson"), layer_data(viewer))
    (found,) = read_outlines(tmp_path / "a.geojson", FRAME)
    assert found.geometry.area * MPP.pixel_area_um2 == pytest.approx(np.pi * 20 * 10, rel=0.01)


def refused(viewer: napari.Viewer, tmp_path: Path, match: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text("what was there")
    with pytest.raises(AnnotationError, match=match) as caught:
        write_layers(str(path), layer_data(viewer))
    assert "\n" not in str(caught.value)
    assert path.read_text() == "what was there"


SQUARE = [[0, 0], [0, 9], [9, 9], [9, 0]]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"rotate": 30}, "a layer with rotate"),
        ({"shear": [0.5]}, "a layer with shear"),
        ({"affine": [[1, 0, 5], [0, 1, 0], [0, 0, 1]]}, "a layer with affine"),
        ({"metadata": {"pathoai": {"kind": "annotations"}}}, "pathoai annotations export"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(
    viewer: napari.Viewer, tmp_path: Path, settings: dict[str, object], match: str
) -> None:
    viewer.add_shapes([SQUARE], **settings)
    refused(viewer, tmp_path, match)


def test_layers_of_three_axes_are_refused(viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer.add_points([[1, 2, 3]])
    refused(viewer, tmp_path, "3 axes; allowed: layers of two axes")


def test_without_a_slide_outlines_have_no_place(viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer.layers.clear()
    viewer.add_image(np.zeros((5, 5)))
    viewer.add_shapes([SQUARE])
    refused(viewer, tmp_path, "none is open")


def test_only_codes_of_slides_are_written(viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer.add_shapes([SQUARE])
    write_layers(str(tmp_path / "a.geojson"), layer_data(viewer))
    assert "pathoai" not in json.loads((tmp_path / "a.geojson").read_text())
