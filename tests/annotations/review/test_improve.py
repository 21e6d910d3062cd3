"""The next training learns from what was read to the end, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely import box

from pathoai.cli.main import main
from pathoai.errors import InvalidValueError
from pathoai.geometry import Region
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.rasterise_annotations import AnnotationChoice
from pathoai_annotations.review.improve import next_training, read_regions

Draw = Callable[..., Annotation]
FIRST, SECOND = Region(301.5, 20, 400, 60), Region(4020, 4, 150.25, 90)
THIRD = Region(650, 40, 200, 50)
"""The third overlaps the first; the second lies on the second shard of the label."""


@pytest.fixture
def journal(tiled: Study) -> Iterator[Journal]:
    with Journal.open(tiled) as opened:
        yield opened


def read(
    journal: Journal, slide_id: str, region: Region, outcome: Outcome, author: str = "R1"
) -> None:
    how = {"kind": RegionKind.COSTLY, "with_model": True, "author": author}
    journal.read_region(slide_id, region, outcome, **how)  # type: ignore[arg-type] # by keyword


@pytest.fixture
def reviewed_regions(journal: Journal, slide_id: str, draw: Draw) -> dict[str, Annotation]:
    """Outlines within, across and outside of regions; one of them judged by nobody."""
    places = {
        "inside": (box(320, 30, 380, 70), "dcis"),
        "across": (box(690, 30, 720, 70), "stroma"),
        "outside": (box(2000, 20, 2100, 80), "dcis"),
        "undecided": (box(400, 30, 440, 60), "dcis"),
        "rejected": (box(460, 30, 500, 60), "dcis"),
        "second": (box(4030, 10, 4060, 50), "dcis"),
    }
    made = {
        name: draw(name, geometry=shape, label=label, slide_id=slide_id, origin=Origin.MODEL)
        for name, (shape, label) in places.items()
    }
    journal.propose(made.values())
    good = [made[name].id for name in ("inside", "across", "outside", "second")]
    journal.validate(good, author="R1")
    journal.reject([made["rejected"].id], author="R1")
    read(journal, slide_id, FIRST, Outcome.CORRECTED)
    read(journal, slide_id, SECOND, Outcome.ACCEPTED)
    read(journal, slide_id, THIRD, Outcome.ACCEPTED)
    read(journal, slide_id, Region(1000, 20, 200, 60), Outcome.UNSURE)
    read(journal, slide_id, Region(1300, 20, 200, 60), Outcome.REJECTED)
    journal.sign_off(slide_id, author="R1")
    return made


def centres(store: SlideStore) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    height, width = store.array(0).shape[1:]
    grid = store.grid()
    x = (np.arange(width) + 0.5) * grid.downsample_x
    y = (np.arange(height) + 0.5) * grid.downsample_y
    found_x, found_y = np.meshgrid(x, y)
    return found_x, found_y


def within(store: SlideStore, *shapes: object) -> NDArray[np.bool_]:
    x, y = centres(store)
    inside = np.zeros(x.shape, bool)
    for shape in shapes:
        inside |= shapely.contains_xy(shape, x, y)
    return inside


def as_box(region: Region) -> object:
    return box(region.x, region.y, region.right, region.bottom)


def label_command(study: Study, *more: str) -> int:
    return main(["label", str(study.path), "--method", "annotations", "--read-regions", *more])


@pytest.mark.usefixtures("reviewed_regions")
def test_the_assessed_pixels_are_exactly_the_read_regions(
    tiled: Study, journal: Journal, slide_id: str, reviewed_regions: dict[str, Annotation]
) -> None:
    undecided = reviewed_regions["undecided"]
    assert label_command(tiled) == 0
    store = SlideStore(tiled.store_path(slide_id))
    label = store.label("annotation/all.read")
    assessed = label.read_all() != 255
    regions = within(store, *map(as_box, (FIRST, SECOND, THIRD)))
    unknown = within(store, undecided.geometry)
    np.testing.assert_array_equal(assessed, regions & ~unknown)
    # Once somebody has judged it, the regions are known to the last pixel.
    journal.reject([undecided.id], author="R1")
    assert label_command(tiled) == 0
    label = store.label("annotation/all.read")
    np.testing.assert_array_equal(label.read_all() != 255, regions)
    classes = label.read_all()
    for name in ("inside", "across", "second"):
        one = reviewed_regions[name]
        inside = within(store, one.geometry) & regions
        assert set(np.unique(classes[inside])) == {tiled.ontology[one.label].index}
    painted = within(store, *(reviewed_regions[n].geometry for n in ("inside", "across", "second")))
    assert set(np.unique(classes[regions & ~painted])) == {0}
    numbers = np.asarray(label.instances()[:])
    np.testing.assert_array_equal(numbers > 0, painted & regions)
    assert label.about["read_regions"] == 3
    assert label.about["status"] == "validated"


def test_what_waits_for_a_sign_off_is_unknown(
    tiled: Study, journal: Journal, slide_id: str, reviewed_regions: dict[str, Annotation]
) -> None:
    journal.reopen(slide_id, author="R1")
    found = next_training(tiled, journal)
    assert (found.by_class(tiled.ontology), found.slides[0].undecided) == ({}, 4)
    assert label_command(tiled) == 0
    store = SlideStore(tiled.store_path(slide_id))
    classes = store.label("annotation/all.read").read_all()
    assert (classes[within(store, reviewed_regions["inside"].geometry)] == 255).all()
    assert label_command(tiled, "--unsigned") == 0
    classes = store.label("annotation/all.read").read_all()
    assert (classes[within(store, reviewed_regions["inside"].geometry)] != 255).all()


def test_a_region_in_which_there_is_nothing_teaches_what_is_negative(
    tiled: Study, journal: Journal, slide_id: str
) -> None:
    assert label_command(tiled) == 1
    read(journal, slide_id, FIRST, Outcome.ACCEPTED)
    assert label_command(tiled) == 0
    store = SlideStore(tiled.store_path(slide_id))
    label = store.label("annotation/all.read")
    expected = np.where(within(store, as_box(FIRST)), 0, 255)
    np.testing.assert_array_equal(label.read_all(), expected)
    assert label.about["origin"] == "pathologist"


def test_only_one_readers_work_counts_where_he_is_named(
    tiled: Study, journal: Journal, slide_id: str, draw: Draw
) -> None:
    others = draw("R2", geometry=box(320, 30, 380, 70), slide_id=slide_id, author="R2")
    journal.propose([others])
    journal.validate([others.id], author="R2")
    read(journal, slide_id, FIRST, Outcome.ACCEPTED, "R1")
    read(journal, slide_id, SECOND, Outcome.ACCEPTED, "R2")
    assert label_command(tiled, "--author", "R1") == 0
    store = SlideStore(tiled.store_path(slide_id))
    found = store.label("annotation/R1.read").read_all()
    # Another's outline is neither this reader's nor background.
    free = within(store, as_box(FIRST)) & ~within(store, others.geometry)
    np.testing.assert_array_equal(found == 0, free)
    assert set(np.unique(found)) == {0, 255}


def test_the_last_reading_of_a_region_counts(journal: Journal, slide_id: str) -> None:
    read(journal, slide_id, FIRST, Outcome.ACCEPTED, "R1")
    read(journal, slide_id, SECOND, Outcome.CORRECTED, "R1")
    assert read_regions(journal) == {slide_id: (FIRST, SECOND)}
    read(journal, slide_id, FIRST, Outcome.UNSURE, "R2")
    assert read_regions(journal) == {slide_id: (SECOND,)}
    assert read_regions(journal, author="R1") == {slide_id: (FIRST, SECOND)}


def test_what_is_learnt_is_counted_and_the_commands_are_shown(
    tiled: Study, journal: Journal, slide_id: str, reviewed_regions: dict[str, Annotation]
) -> None:
    found = next_training(tiled, journal)
    assert found.regions == 3
    assert found.by_class(tiled.ontology) == {"dcis": 2, "stroma": 1}
    (slide,) = found.slides
    assert (slide.slide_id, slide.undecided) == (slide_id, 1)
    label, train = found.commands(tiled, "breast-tissue-segmentation")
    assert label == (
        f"pathoai label {tiled.path} --method annotations --read-regions --slides {slide_id}"
    )
    assert train == (
        f"pathoai train {tiled.path} --recipe breast-tissue-segmentation "
        "--label annotation/all.read"
    )
    for taken, free in (("", "-2"), ("-2", "-3")):
        tiled.model_path(f"breast-tissue-segmentation{taken}").mkdir(parents=True)
        _, later = found.commands(tiled, "breast-tissue-segmentation")
        assert later == f"{train} --name breast-tissue-segmentation{free}"
    assert main(label.split()[1:]) == 0
    assert next_training(tiled, journal, author="R2").slides == ()


def test_all_tissue_and_regions_contradict_each_other() -> None:
    with pytest.raises(InvalidValueError, match="say one of them"):
        AnnotationChoice(exhaustive=True, read_regions=True)
