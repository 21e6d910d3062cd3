"""The queue of one slide: its order, its shares, and that it is the same when one comes back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.errors import StudyError
from pathoai.geometry import Region
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.region_reading import RegionKind
from pathoai_annotations.queue_table import QueuedRegion, write_regions
from pathoai_annotations.region_candidates import RegionSpec, costs_of, regions_of_slide
from pathoai_annotations.review.queue_settings import QueueSettings
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.region_queue import (
    QueueSource,
    RegionQueue,
    mixed_regions,
    region_key,
    slides_of_file,
)
from pathoai_annotations.review.slide_concern import why_read
from tests.annotations.review.queue.queue_study import (
    HEIGHT,
    MODEL,
    OTHER_SLIDE,
    SETTINGS,
    SLIDE,
    WIDTH,
    squares,
)


@pytest.fixture
def store(made_study: Study) -> SlideStore:
    return SlideStore(made_study.store_path(SLIDE))


def queue_of(
    study: Study, store: SlideStore, reader: str = "R1", settings: QueueSettings = SETTINGS
) -> RegionQueue:
    return RegionQueue.of_slide(study, store, reader, model=MODEL, settings=settings)


def test_shares_hold_in_every_beginning(made_study: Study, store: SlideStore) -> None:
    for settings in (SETTINGS, replace(SETTINGS, random_share=0.3, control_share=0.25)):
        queue = queue_of(made_study, store, settings=settings)
        assert (len(queue), queue.model, queue.source) == (20, MODEL, QueueSource.MODEL)
        assert len({one.key for one in queue.regions}) == 20, "no region comes twice"
        kinds = [one.kind for one in queue.regions]
        for length in range(1, 21):
            for kind, share in settings.shares.items():
                assert abs(kinds[:length].count(kind) - share * length) < 1


def test_costly_regions_come_by_cost_and_unlikeness(made_study: Study, store: SlideStore) -> None:
    queue = queue_of(made_study, store)
    label = store.label(f"prediction/{MODEL}")
    costs = costs_of(made_study.ontology, label.probability_channels)
    spec = RegionSpec(SETTINGS.side_um, costs)
    found = regions_of_slide(label, SLIDE, spec, [], store.tissue)
    place = {region_key(Region(*bounds)): at for at, bounds in enumerate(found.bounds.tolist())}
    drawn = {place[one.key] for one in queue.regions if one.kind is not RegionKind.COSTLY}
    left, chosen = [at for at in range(len(found)) if at not in drawn], list[int]()
    for one in queue.regions:
        if one.kind is not RegionKind.COSTLY:
            continue
        worth = {}
        for at in left:
            gaps = [float(np.linalg.norm(found.shares[at] - found.shares[c])) for c in chosen]
            worth[at] = float(found.cost[at]) * min([*gaps, np.sqrt(2)])
        best = max(worth, key=lambda at: worth[at])
        assert place[one.key] == best
        assert one.cost == pytest.approx(found.cost[best] / found.cost.max(), rel=1e-5)
        left.remove(best)
        chosen.append(best)


def test_who_comes_back_finds_the_same_queue_and_another_reader_other_controls(
    made_study: Study, store: SlideStore
) -> None:
    again = SlideStore(made_study.store_path(SLIDE))
    assert queue_of(made_study, store) == queue_of(Study(made_study.path), again)
    # Eight of twenty: that two readers are given the same by chance happens once in 8,000 runs.
    settings = replace(SETTINGS, control_share=0.4)
    controls = []
    for number in range(6):
        queue = queue_of(made_study, store, f"R{number}", settings)
        controls.append({one.key for one in queue.regions if one.kind is RegionKind.CONTROL})
    assert all(a != b for at, a in enumerate(controls) for b in controls[:at])
    other = SlideStore(made_study.store_path(OTHER_SLIDE))
    of_other = {
        one.key
        for one in queue_of(made_study, other, settings=settings).regions
        if one.kind is RegionKind.CONTROL
    }
    assert of_other != controls[1]


def test_controls_are_drawn_from_all_regions_alike(made_study: Study, store: SlideStore) -> None:
    label, times = store.label(f"prediction/{MODEL}"), 2400
    found = regions_of_slide(label, SLIDE, RegionSpec(SETTINGS.side_um), [])
    settings = replace(SETTINGS, regions=1, random_share=0, control_share=1)
    drawn = [mixed_regions(found, settings, seed) for seed in range(times)]
    assert {kind for ((_, kind),) in drawn} == {RegionKind.CONTROL}
    counts = np.bincount([at for ((at, _),) in drawn], minlength=len(found))
    expected = times / len(squares())
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_a_damaged_tissue_leaves_a_queue_that_says_so(made_study: Study, tmp_path: Path) -> None:
    """Of glass as well: of a model, of fields; and the worklist still says why."""
    study = Study(shutil.copytree(made_study.path, tmp_path / "copy"))
    path = study.store_path(SLIDE)
    whole = SlideStore(path)
    fields = RegionQueue.of_slide(study, whole, "R1", settings=SETTINGS)
    why = why_read(study, SLIDE)
    assert not fields.misses_tissue
    assert not queue_of(study, whole).misses_tissue
    for shard in (path / "labels/tissue").glob("*/c/**/*"):
        if shard.is_file():
            shard.write_bytes(shard.read_bytes()[:20])
    store = SlideStore(path)
    queue, everywhere = (
        queue_of(study, store),
        RegionQueue.of_slide(study, store, "R1", settings=SETTINGS),
    )
    assert (len(queue), queue.source, queue.misses_tissue) == (20, QueueSource.MODEL, True)
    assert everywhere.misses_tissue
    assert {one.key for one in fields.regions} <= {one.key for one in everywhere.regions}
    assert why_read(study, SLIDE).model == why.model == MODEL


def test_a_slide_that_no_model_ranks_is_read_field_by_field(
    made_study: Study, store: SlideStore
) -> None:
    settings = replace(SETTINGS, screening_um=150.0)
    queue = RegionQueue.of_slide(made_study, store, "R1", settings=settings)
    assert (queue.source, queue.model) == (QueueSource.TISSUE, "")
    assert set(queue.kinds) == {RegionKind.CHOSEN}
    corners = [(one.region.y, one.region.x) for one in queue.regions]
    assert corners == sorted(corners), "row by row, from left to right"
    boxes = shapely.box(*np.array([
        (r.region.x, r.region.y, r.region.right, r.region.bottom) for r in queue.regions
    ]).T)  # fmt: skip
    tissue = shapely.box(80, 80, WIDTH - 400, HEIGHT)
    assert tissue.difference(shapely.union_all(boxes)).area == 0, "no tissue is left out"
    assert all(box.intersection(tissue).area > 0 for box in boxes)
    assert sum(box.area for box in boxes) == pytest.approx(shapely.union_all(boxes).area)


def write_table(path: Path, kinds: list[tuple[str, float, bool]]) -> None:
    write_regions(
        path,
        [
            QueuedRegion(
                rank, slide, Region(100.25 * rank, 10, 50, 50), "hsil", 0.5, 0.2, rarity, r
            )
            for rank, (slide, rarity, r) in enumerate(kinds, start=1)
        ],
    )


def test_a_table_is_read_in_its_order(made_study: Study, store: SlideStore, tmp_path: Path) -> None:
    path = tmp_path / f"{MODEL}.csv"
    write_table(path, [(OTHER_SLIDE, 1, True), (SLIDE, 0.5, False), (SLIDE, 1, True)])
    assert slides_of_file(path) == (OTHER_SLIDE, SLIDE)
    plan = ReadingPlan(file=path)
    assert plan.slides == (OTHER_SLIDE, SLIDE)
    queue = plan.queue(made_study, store, "R1")
    assert [one.kind for one in queue.regions] == [RegionKind.COSTLY, RegionKind.RANDOM]
    assert [one.region.x for one in queue.regions] == [200.5, 300.75]
    assert (queue.model, queue.source, queue.regions[0].cost) == (MODEL, QueueSource.FILE, 0.5)
    write_table(path, [(OTHER_SLIDE, 1, False)])
    with pytest.raises(StudyError, match="no region of this slide"):
        RegionQueue.of_file(path, SLIDE)
    assert len(ReadingPlan(file=path).queue(made_study, store, "R1")) == 0
    with pytest.raises(StudyError, match="no such queue"):
        ReadingPlan(file=tmp_path / "absent.csv").queue(made_study, store, "R1")


def test_crumbs_of_tissue_are_read_field_by_field(made_study: Study, store: SlideStore) -> None:
    settings = replace(SETTINGS, side_um=5000.0)
    queue = queue_of(made_study, store, settings=settings)
    assert (queue.source, queue.model, len(queue)) == (QueueSource.TISSUE, MODEL, 1)


def test_what_readers_differ_on_is_read_without_a_model(
    made_study: Study, store: SlideStore, tmp_path: Path
) -> None:
    path = tmp_path / "adjudication.csv"
    write_table(path, [(SLIDE, 0, False), (SLIDE, 0, False)])
    queue = ReadingPlan(file=path).queue(made_study, store, "R3")
    assert (queue.model, set(queue.kinds)) == ("", {RegionKind.DISAGREEMENT})


def test_a_plan_takes_the_model_that_is_asked_for_or_the_first_that_ranks(
    made_study: Study, store: SlideStore
) -> None:
    assert ReadingPlan(SETTINGS).queue(made_study, store, "R1").model == MODEL
    assert ReadingPlan(SETTINGS, model="absent").queue(made_study, store, "R1").model == MODEL
