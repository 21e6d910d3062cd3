"""Regions one by one: laid over tissue, asked once each, kept through a kill, decided by cost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError, NoTissueError, StoreError, StudyError
from pathoai.geometry import Region, Size
from pathoai.inference.ensemble import Member
from pathoai.inference.kept_rows import PART_ROWS, KeptRows
from pathoai.inference.predict_regions import (
    RegionPredictor,
    answers_on_regions,
    region_table,
    write_region_label,
)
from pathoai.inference.regions import Regions, find_regions
from pathoai.inference.tissue_regions import label_scale, tissue_regions
from pathoai.metrics.expected_cost import load_costs
from pathoai.models.architecture import build_network
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle
from pathoai.models.calibration import Calibration
from pathoai.models.region_decision import RegionDecision
from pathoai.models.turns import dihedral
from pathoai.models.uncertainty import mutual_information
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.label_image import is_label_complete
from pathoai.store.objects import ObjectTable, read_objects, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec

SIZE = 24
GRADES = ("benign", "lsil", "hsil", "invasive_scc")
COSTS = load_costs("tissuenet")
ARGUMENTS = {"arguments": {"width": 4}, "context": [2]}
# 24 px at 0.7 µm are 16.8 µm: 34 store pixels, with a remainder.
BUNDLE = ModelBundle(
    "squares",
    "region-classifier",
    ARGUMENTS,
    "cervix",
    "0.1",
    GRADES,
    TileSpec(SIZE, 0.7),
    task=REGION_CLASSIFICATION,
    calibration=Calibration(0.5),
    decision=RegionDecision(8, COSTS, "tissue").to_dict(),
)


@pytest.fixture(scope="module")
def predictor() -> RegionPredictor:
    torch.manual_seed(0)
    network = build_network("region-classifier", classes=4, arguments=ARGUMENTS).eval()
    return RegionPredictor(BUNDLE, network, load_ontology("cervix"), torch.device("cpu"), 16)


@pytest.fixture
def store(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    path = tmp_path / "stores" / two_shard_store.name
    return SlideStore(Path(shutil.copytree(two_shard_store, path)))


@pytest.fixture
def study(store: SlideStore, tmp_path: Path) -> Study:
    """A study whose only store it is."""
    Study.create(tmp_path / "new", ontology="cervix")
    shutil.copytree(tmp_path / "new", tmp_path, dirs_exist_ok=True)
    return Study(tmp_path)


def kept_in(folder: Path, regions: Regions, key: str = "a") -> KeptRows:
    return KeptRows(folder / "rows", key, len(regions), 4)


def asked(
    store: SlideStore, predictor: RegionPredictor, regions: Regions, folder: Path
) -> NDArray[np.float32]:
    return answers_on_regions(store, predictor, regions, kept_in(folder, regions))


def test_squares_lie_side_by_side_over_the_tissue(store: SlideStore, study: Study) -> None:
    regions = tissue_regions(study.place(store.slide_id), store, BUNDLE)
    squares = regions.squares
    assert squares is not None
    assert (squares.factor, squares.across) == (34, 1)
    assert regions.about["source"] == "squares of 17 µm over the tissue"
    height, width = store.array(0).shape[1:]
    tissue = store.tissue.on_grid(store.grid(), slice(0, height), slice(0, width))
    found = set(zip(squares.rows.tolist(), squares.columns.tolist(), strict=True))
    assert len(found) == len(regions) > 50
    for row in range(-(-height // 34)):
        for column in range(-(-width // 34)):
            part = tissue[34 * row : 34 * row + 34, 34 * column : 34 * column + 34]
            centred = 34 * row + 17 < height and 34 * column + 17 < width
            share = part.sum() / 34**2
            if abs(share - 0.05) > 0.02:
                assert ((row, column) in found) == (centred and share >= 0.05)
    for outline, row, column in zip(regions.outlines, squares.rows, squares.columns, strict=True):
        assert outline.bounds == (34 * column, 34 * row, 34 * column + 34, 34 * row + 34)
    with pytest.raises(NoTissueError, match="no square holds enough tissue"):
        tissue_regions(
            study.place(store.slide_id), store, replace(BUNDLE, spec=TileSpec(1400, 0.7, 0, 1.0))
        )


def test_each_square_is_seen_turned_and_asked_by_itself(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    """By definition: pixels read one region at a time, logits averaged over turns one by one."""
    regions = find_regions(study.place(store.slide_id), store, BUNDLE, "tissue")
    found = asked(store, predictor, regions, tmp_path)
    for at in (0, len(regions) // 2, len(regions) - 1):
        x, y = regions.centres[at]
        views = []
        for factor in (1, 2):
            side = SIZE * 0.7 / 0.5 * factor
            region = Region(x - side / 2, y - side / 2, side, side)
            views.append(store.read_region(region, Size(SIZE, SIZE)).transpose(2, 0, 1))
        shown = torch.from_numpy(np.stack(views))[None]
        with torch.no_grad():
            logits = [
                predictor.network(BUNDLE.normalisation(dihedral(shown, turn))) for turn in range(8)
            ]
            expected = torch.softmax(torch.stack(logits).mean(0) / 0.5, 1)[0]
        # A square's corner is rounded to the model's pixels.
        np.testing.assert_allclose(found[at], expected.numpy(), atol=0.02)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    alone = asked(store, replace(predictor, batch_size=1), regions, tmp_path / "alone")
    np.testing.assert_allclose(found, alone, atol=1e-5)


def _other(name: str = "other", turns: int = 8) -> Member:
    """A member of the same kind with other weights."""
    torch.manual_seed(1)
    network = build_network("region-classifier", classes=4, arguments=ARGUMENTS).eval()
    decision = RegionDecision(turns, None, "tissue").to_dict()
    return Member(replace(BUNDLE, name=name, decision=decision), network)


VIEWS = np.random.default_rng(5).integers(0, 256, (3, 2, 3, SIZE, SIZE), np.uint8)


def test_members_are_averaged_and_what_they_differ_by_is_told(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    other = _other()
    both = replace(predictor, others=(other,))
    alone = np.stack(
        [
            one.answers(VIEWS)
            for one in (predictor, replace(predictor, bundle=other.bundle, network=other.network))
        ]
    )
    answers = both.answers(VIEWS)
    np.testing.assert_allclose(answers[:, :4], alone.mean(0), atol=1e-6)
    among = mutual_information(alone) / np.log(4)
    assert among.max() > 1e-3
    regions = find_regions(study.place(store.slide_id), store, BUNDLE, "tissue").chosen(
        np.arange(3)
    )
    table = region_table(store, both, regions, answers)
    np.testing.assert_allclose(table.columns["mutual_information"], among, atol=1e-5)
    # The model that was named decides, by its costs.
    names = np.array(GRADES)[COSTS.decide(answers[:, :4])]
    assert table.class_index.tolist() == [both.ontology[name].index for name in names]
    assert table.source["members"] == {
        "squares": BUNDLE.identity,
        "other": other.bundle.identity,
    }
    assert "members" not in predictor.about(store, regions)
    with locked(store.path):
        label = write_region_label(store, both, regions, table, "prediction/both")
    assert label.uncertainty_channels == ("entropy", "mutual_information")
    assert regions.squares is not None
    doubt = np.asarray(label.uncertainty())[:, regions.squares.rows, regions.squares.columns]
    assert np.abs(doubt[1] - 255 * among).max() <= 0.51


def test_eight_symmetries_of_a_region_are_averaged(predictor: RegionPredictor) -> None:
    """By definition, of a model that asks itself once; one that asks itself about all is not."""
    once = _other(turns=1)
    one = replace(predictor, bundle=once.bundle, network=once.network)
    turned = [
        one.answers(dihedral(torch.from_numpy(VIEWS), turn).contiguous().numpy())
        for turn in range(8)
    ]
    found = replace(one, turned=True).answers(VIEWS)
    np.testing.assert_allclose(found[:, :4], np.mean(turned, axis=0), atol=1e-6)
    assert np.ptp(turned, axis=0).max() > 1e-3
    again = replace(predictor, turned=True).answers(VIEWS)
    np.testing.assert_array_equal(again[:, :4], predictor.answers(VIEWS))


def test_members_that_see_other_surroundings_are_refused(predictor: RegionPredictor) -> None:
    other = _other()
    farther = replace(other.bundle, arguments={**ARGUMENTS, "context": [4]})
    with pytest.raises(ModelError, match="the same context"):
        replace(predictor, others=(Member(farther, other.network),))


def test_the_table_and_the_label_say_the_same(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    regions = find_regions(study.place(store.slide_id), store, BUNDLE, "tissue")
    found = asked(store, predictor, regions, tmp_path)
    table = region_table(store, predictor, regions, found)
    write_objects(tmp_path / "a.parquet", table)
    table = read_objects(tmp_path / "a.parquet")
    decided = COSTS.decide(found)
    indices = np.array([predictor.ontology[key].index for key in GRADES])
    assert table.class_index.tolist() == indices[decided].tolist()
    np.testing.assert_array_equal(table.probability, found[np.arange(len(found)), decided])
    for at, key in enumerate(GRADES):
        np.testing.assert_array_equal(table.columns[f"probability_{key}"], found[:, at])
    entropy = -(found * np.log(found)).sum(1) / np.log(4)
    np.testing.assert_allclose(table.columns["uncertainty"], entropy, atol=1e-5)
    cost = COSTS.expected(found).min(1)
    np.testing.assert_allclose(table.columns["expected_cost"], cost, atol=1e-6)
    np.testing.assert_allclose(table.area_um2, 17**2)
    assert table.source["regions"] == regions.about
    assert (table.source["status"], table.source["origin"]) == ("proposed", "model")
    assert table.source["model_sha256"] == BUNDLE.identity
    assert table.source["store_sha256"] == store.identity
    with locked(store.path):
        label = write_region_label(store, predictor, regions, table, "prediction/squares")
    assert regions.squares is not None
    at_squares = (regions.squares.rows, regions.squares.columns)
    class_map = label.read_all()
    assert class_map[at_squares].tolist() == table.class_index.tolist()
    assert (class_map != NOT_ASSESSED).sum() == len(regions)
    assert label.probability_channels == GRADES
    shares = np.asarray(label.probability())[:, *at_squares].T
    assert np.abs(shares - 255 * found).max() <= 0.51
    doubt = np.asarray(label.uncertainty())[0][at_squares]
    assert np.abs(doubt - 255 * entropy).max() <= 0.51
    assert label.mpp == 34 * store.mpp
    assert is_label_complete(store.path, "prediction/squares", table.source)
    SlideStore(store.path).verify()


@pytest.mark.parametrize("store_mpp", [0.2274, 0.25, 0.499, 0.5, 1.3])
@pytest.mark.parametrize("side_um", [12.0, 24.0, 100.0, 300.16, 1000.0])
def test_labels_of_squares_are_of_a_scale_that_programs_take(
    side_um: float, store_mpp: float
) -> None:
    factor, across = label_scale(side_um, store_mpp)
    assert factor * store_mpp <= 20
    # Half a store pixel is what any square may be off; large ones of several pixels, 1 %.
    assert abs(factor * across * store_mpp - side_um) <= max(store_mpp / 2, 0.01 * side_um)


def test_large_squares_are_painted_with_several_pixels(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    bundle = replace(BUNDLE, spec=TileSpec(SIZE, 2.0, 0, 0.0))
    large = replace(predictor, bundle=bundle)
    regions = find_regions(study.place(store.slide_id), store, bundle, "tissue")
    squares = regions.squares
    assert squares is not None
    assert (squares.factor, squares.across) == (32, 3)
    table = region_table(store, large, regions, asked(store, large, regions, tmp_path))
    with locked(store.path):
        label = write_region_label(store, large, regions, table, "prediction/large")
    assert label.pixel_mpp.x == 16
    grid, class_map = label.grid(), label.read_all()
    assert (class_map != NOT_ASSESSED).sum() > 4 * len(regions)
    for outline, index in zip(regions.outlines, table.class_index, strict=True):
        left, top, right, bottom = (round(v / grid.downsample_x) for v in outline.bounds)
        assert (class_map[top:bottom, left:right] == index).all()


class _KilledError(BaseException):
    """Nobody catches it to clean up."""


def test_a_killed_run_goes_on_and_asks_nothing_twice(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    one = find_regions(study.place(store.slide_id), store, BUNDLE, "tissue")
    # The same squares over and over: more than one part, without a larger slide.
    regions = one.chosen(np.resize(np.arange(len(one)), 2 * PART_ROWS + 7))
    whole = asked(store, predictor, regions, tmp_path / "whole")

    def kill(done: int, total: int) -> None:
        raise _KilledError

    kept = kept_in(tmp_path, regions)
    with pytest.raises(_KilledError):
        answers_on_regions(store, predictor, regions, kept, kill)
    first = tmp_path / "rows" / "a" / "0.npy"
    before = first.stat().st_mtime_ns
    told: list[int] = []
    found = answers_on_regions(
        store, predictor, regions, kept, lambda done, total: told.append(done)
    )
    assert first.stat().st_mtime_ns == before
    assert told == [PART_ROWS, 2 * PART_ROWS, len(regions)]
    np.testing.assert_array_equal(found, whole)
    # A damaged part is computed again; parts of another model, pixels or regions are thrown away.
    first.write_bytes(first.read_bytes()[:-9])
    np.testing.assert_array_equal(asked(store, predictor, regions, tmp_path), whole)
    kept_in(tmp_path, regions, "b").begin()
    assert not (tmp_path / "rows").exists()
    asked(store, predictor, regions, tmp_path)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["a"]
    kept.forget()
    assert not (tmp_path / "rows").exists()


def test_a_run_that_fails_before_its_first_rows_makes_no_folder(
    store: SlideStore, study: Study, predictor: RegionPredictor, tmp_path: Path
) -> None:
    regions = find_regions(study.place(store.slide_id), store, predictor.bundle, "tissue")
    for shard in (file for file in (store.path / "0/c").rglob("*") if file.is_file()):
        shard.write_bytes(b"damaged")
    with pytest.raises(StoreError):
        asked(SlideStore(store.path), predictor, regions, tmp_path / "objects")
    assert not (tmp_path / "objects").exists()


def test_objects_of_another_model_are_regions_too(
    store: SlideStore, study: Study, tmp_path: Path
) -> None:
    outlines = np.array([shapely.box(90, 40, 110, 60), shapely.box(9000, 0, 9010, 10)], object)
    ones = np.ones(2, np.float32)
    objects = ObjectTable(outlines, np.ones(2, np.uint8), ones, ones, {"origin": "model"})
    path = study.objects_path(store.slide_id, "prediction/nuclei")
    write_objects(path, objects)
    regions = find_regions(study.place(store.slide_id), store, BUNDLE, "prediction/nuclei")
    assert regions.outlines.tolist() == [outlines[0]]
    assert regions.left_out == {"off their slide": 1}
    assert regions.about["source"] == "objects of prediction/nuclei"
    with pytest.raises(StoreError, match="no objects of that label"):
        find_regions(study.place(store.slide_id), store, BUNDLE, "prediction/other")
    write_objects(path, replace(objects, geometry=outlines[[1, 1]]))
    with pytest.raises(StudyError, match=r"no region.*2 off their slide.*--regions"):
        find_regions(study.place(store.slide_id), store, BUNDLE, "prediction/nuclei")
    with pytest.raises(
        InvalidValueError, match=r"--regions.*'tisue'.*annotations, areas, tissue, or"
    ):
        find_regions(study.place(store.slide_id), store, BUNDLE, "tisue")


def test_what_names_no_regions_is_refused(predictor: RegionPredictor) -> None:
    with pytest.raises(InvalidValueError, match="batch size"):
        replace(predictor, batch_size=0)
    with pytest.raises(ModelError, match="another task"):
        replace(predictor, bundle=replace(BUNDLE, task="slide-grading"))
    with pytest.raises(ModelError, match="another ontology"):
        replace(predictor, ontology=load_ontology("breast"))
    for decision in ({}, {"turns": 9}, {"turns": 1, "costs": {"key": "x"}}, {"turns": None}):
        with pytest.raises(ModelError, match="does not say how to decide"):
            replace(predictor, bundle=replace(BUNDLE, decision=decision))


def test_decisions_are_kept_as_they_are_and_old_bundles_mean_annotations() -> None:
    for decision in (RegionDecision(8, COSTS, "tissue"), RegionDecision(1)):
        assert RegionDecision.from_dict(decision.to_dict(), where="x") == decision
    assert RegionDecision.from_dict({"turns": 8}, where="x") == RegionDecision(8)
    rows = np.array([[0.3, 0.1, 0.1, 0.5], [0.4, 0.3, 0.2, 0.1]])
    assert RegionDecision().decide(rows).tolist() == [3, 0]
    assert RegionDecision(1, COSTS).decide(rows).tolist() == COSTS.decide(rows).tolist()
    with pytest.raises(InvalidValueError, match="regions"):
        RegionDecision(1, None, "")
