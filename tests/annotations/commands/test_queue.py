"""``pathoai queue``: a table that names no one, leaves out what was judged, and repeats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shapely import box

from pathoai.cli.main import main
from pathoai.errors import StudyError
from pathoai.inference.attention_map import WeighedTiles, attention_about, write_attention_map
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.queue_table import read_queue
from tests.annotations.conftest import Draw

Capture = pytest.CaptureFixture[str]
CLASSES = ("dcis", "stroma")


@pytest.fixture
def predicted(tiled: Study, slide_id: str) -> Study:
    """The tiled study with a prediction: 2100 × 60 pixels at 0.5 µm, stroma to the right."""
    store = SlideStore(tiled.store_path(slide_id))
    classes = [tiled.ontology["background"], *(tiled.ontology[key] for key in CLASSES)]
    recipe = LabelRecipe(
        "prediction/m",
        classes,
        {"origin": "model", "status": "proposed"},
        probability_channels=CLASSES,
        uncertainty_channels=("entropy",),
    )
    writer = LabelWriter(store.path, store.header, recipe)
    height, width = writer.class_map.array.shape
    x = np.broadcast_to(np.arange(width), (height, width))
    rng = np.random.default_rng(0)
    planes = {
        writer.class_map: np.full((height, width), classes[1].index, np.uint8),
        writer.probability: np.stack([250 - x // 10, x // 10]).astype(np.uint8),
        writer.uncertainty: rng.integers(0, 255, (1, height, width), np.uint8),
    }
    for plane, values in planes.items():
        for shard in shards_of(values.shape):
            rows, columns = shard_slices(shard, values.shape)
            plane.write(shard, np.ascontiguousarray(values[..., rows, columns]))
    writer.finish()
    return tiled


def _queue(study: Study, *words: str) -> int:
    return main(["queue", str(study.path), "--model", "m", "--side", "32", *words])


def test_regions_are_ranked_written_and_recorded(
    predicted: Study, slide_id: str, capsys: Capture
) -> None:
    assert _queue(predicted, "--n", "10", "--random-share", "0.25", "--reader", "R1") == 0
    path = predicted.queue_path("m")
    rows = read_queue(path)
    assert [row.rank for row in rows] == list(range(1, 11))
    assert sum(row.random for row in rows) == 3
    assert {row.slide_id for row in rows} == {slide_id}
    # 32 µm are 128 level-0 pixels; the slide is one row of such squares high.
    assert {(row.region.y, row.region.width) for row in rows} == {(0, 128)}
    assert len({row.region.x for row in rows}) == 10
    assert all(row.label == ("dcis" if row.region.x < 2400 else "stroma") for row in rows)
    printed = capsys.readouterr().out
    assert f"pathoai review {predicted.path} --slide {slide_id} --reader R1" in printed
    assert "10 of 33 regions by uncertainty × diversity × rarity; 3 of them at random" in printed
    assert path in predicted.derived_copies(slide_id)
    assert path not in predicted.derived_copies("FEDCBA9876543210")
    (file,) = predicted.provenance_path.glob("queue-*.json")
    record = json.loads(file.read_text("utf8"))
    assert record["parameters"]["random_share"] == 0.25
    assert str(predicted.path) not in file.read_text("utf8") + path.read_text("utf8")

    first = path.read_bytes()
    assert _queue(predicted, "--n", "10", "--random-share", "0.25", "--reader", "R1") == 0
    assert path.read_bytes() == first
    assert _queue(predicted, "--n", "10", "--random-share", "0.25", "--seed", "5") == 0
    assert path.read_bytes() != first


def test_what_was_judged_is_left_out_and_makes_its_class_less_rare(
    predicted: Study, slide_id: str, draw: Draw, tmp_path: Path
) -> None:
    outlines = [
        draw(f"{at}", slide_id=slide_id, geometry=box(at, 20, at + 50, 60))
        for at in range(0, 1280, 128)
    ]
    with Journal.open(predicted) as journal:
        journal.propose([*outlines, draw("p", slide_id=slide_id, geometry=box(2000, 9, 2050, 40))])
        journal.validate([outline.id for outline in outlines], author="R1")
    out = tmp_path / "next.csv"

    def rows(*words: str) -> set[float]:
        assert _queue(predicted, "--n", "99", "--out", str(out), *words) == 0
        return {row.region.x for row in read_queue(out)}

    judged = set(range(0, 1280, 128))
    assert len(rows()) == 23
    assert not rows() & judged
    assert not rows("--reader", "R1") & judged
    assert judged <= rows("--reader", "R2")
    rows()
    rarity = {row.label: row.rarity for row in read_queue(out)}
    assert rarity == {"dcis": pytest.approx(1 / 11), "stroma": 1.0}
    assert not predicted.queue_path("m").exists()


def test_misuse_is_told_in_one_line(predicted: Study, capsys: Capture) -> None:
    for words, message in {
        ("--n", "0"): "regions wanted",
        ("--random-share", "2"): "random share",
        ("--side", "1"): "side of regions",
        ("--reader", "Jane Doe"): "short codes",
        ("--costs", "none"): "unknown cost matrix",
        ("--costs", "tissuenet"): "fewer than two classes",
        ("--model", "other"): "no slide has a prediction",
    }.items():
        assert _queue(predicted, *words) == 1
        (line,) = (x for x in capsys.readouterr().err.splitlines() if "error" in x)
        assert message in line
    assert not predicted.queue_path("m").exists()


def test_a_model_of_whole_slides_has_no_queue(tiled: Study, slide_id: str, capsys: Capture) -> None:
    store = SlideStore(tiled.store_path(slide_id))
    tiles = WeighedTiles(np.array([[0.0, 0]]), (64, 64), np.array([1.0]))
    write_attention_map(store, "prediction/m", attention_about({}, 1.0), tiles)
    assert _queue(tiled) == 1
    assert "grades whole slides and is in doubt about no region" in capsys.readouterr().err


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with pytest.raises(StudyError, match="no such queue"):
        read_queue(path)
    for text in ("a,b\n", "", "\n"):
        path.write_text(text, "utf8")
        with pytest.raises(StudyError, match="damaged queue"):
            read_queue(path)
