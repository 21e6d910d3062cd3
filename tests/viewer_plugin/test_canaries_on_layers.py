"""What a reader's own layers say, by name, metadata and features, stays out of the study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.opening.outline_writer import write_layers
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from pathoai.testing.canaries import CANARIES, canaries_in
from tests.viewer_plugin.small_study import SLIDE, square

if TYPE_CHECKING:
    import napari

pytestmark = pytest.mark.usefixtures("display")


def test_names_and_metadata_of_layers_reach_no_file(
    make_napari_viewer: Callable[..., napari.Viewer],
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = make_napari_viewer()
    session = ReviewSession(study, SLIDE, "R1")
    add_review(viewer, session)
    for layer in list(viewer.layers):
        layer.metadata["patient"] = {"name": CANARIES[0], "number": CANARIES[1]}
    own = viewer.add_shapes(
        [[[10, 10], [10, 90], [90, 90]]],
        shape_type="polygon",
        name=f"{CANARIES[0]} {CANARIES[2]}",
        metadata={"physician": CANARIES[6], "note": CANARIES[3]},
        features={"label": ["ais"], "reader": [CANARIES[7]], "block": [CANARIES[5]]},
    )
    viewer.title = CANARIES[10]
    session.add("ais", square(2))
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    (tmp_path / "saved").mkdir()
    write_layers(str(tmp_path / "saved" / "drawn.geojson"), [own.as_layer_data_tuple()])
    viewer.layers.remove(own)
    session.close()
    assert (tmp_path / "saved" / "drawn.geojson").stat().st_size > 100
    assert canaries_in(study.path) == canaries_in(tmp_path / "saved") == []
