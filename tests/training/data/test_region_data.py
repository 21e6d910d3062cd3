"""Regions: where they lie, which annotations they come from, and who may see them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from shapely import Point, box

from pathoai.errors import InvalidValueError, LeakError, OntologyError, StudyError
from pathoai.geometry import Region, Size
from pathoai.store.region_views import DAMAGED, OFF_SLIDE
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotated_regions import OTHER_CLASS
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_training.data.region_data import RegionData
from pathoai_training.data.region_survey import NO_STORE, NOT_SIGNED, SlideRegions
from pathoai_training.splits.group_split import split_by_groups
from pathoai_training.splits.linked_slides import Link
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import write_split

CELLS = ("nucleus_lymphocyte", "nucleus_neoplastic")
PATIENTS = tuple(f"P{i:015d}" for i in range(4))
SIZE = 24
StudyMaker = Callable[..., Study]


def data_of(study: Study, **changes: object) -> RegionData:
    values: dict[str, object] = {
        "study": study.path,
        "classes": CELLS,
        "spec": TileSpec(SIZE, 0.5),
        "context": (2.0,),
        "batch_size": 8,
        "steps_per_epoch": 3,
    }
    return RegionData(**(values | changes))  # type: ignore[arg-type]  # checked by running


def ready(study: Study, **changes: object) -> RegionData:
    data = data_of(study, **changes)
    data.setup()
    return data


def first_slide(data: RegionData) -> SlideRegions:
    return data.survey.slides[0]


def draw(
    study: Study, *drawn: tuple[str, object], slide: int = 0, author: str = "R2"
) -> list[uuid.UUID]:
    """Enter proposals: class and geometry each."""
    slide_id = list(study.cohort)[slide].slide_id
    made = [
        Annotation(uuid.uuid4(), slide_id, label, shape, Origin.PATHOLOGIST, author)
        for label, shape in drawn
    ]
    with Journal.open(study) as journal:
        journal.propose(made)
    return [a.id for a in made]


def validate(study: Study, ids: list[uuid.UUID], author: str = "R2") -> None:
    """Stand behind annotations, and sign their slides off."""
    with Journal.open(study) as journal:
        journal.validate(ids, author=author)
        for slide_id in {journal.get(one).slide_id for one in ids}:
            journal.sign_off(slide_id, author=author)


def views_of(data: RegionData, subset: str) -> list[NDArray[np.uint8]]:
    dataset = data.dataset(subset)
    return [v.numpy() for v, _ in dataset.__getitems__(list(range(len(dataset))))]


@pytest.mark.parametrize("mpp", [(0.5, 0.5), (0.51, 0.49)])
def test_crops_lie_about_the_centres_of_points_boxes_and_outlines(
    make_cells: StudyMaker, mpp: tuple[float, float]
) -> None:
    """By definition: the store's pixels around each annotation, read one by one."""
    study = make_cells(*PATIENTS, mpp=mpp)
    data = ready(study)
    seen = 0
    for subset, regions in data.regions.items():
        for index, views in enumerate(views_of(data, subset)):
            slide = data.survey.slides[regions.tiles.slide[index]]
            store = SlideStore(slide.path)
            own = np.flatnonzero(regions.tiles.slide == regions.tiles.slide[index])
            with Journal.open(study) as journal:
                annotation = journal.annotations(slide.slide_id)[index - own[0]]
            left, top, right, bottom = annotation.geometry.bounds
            # At 0.5 µm, whatever the slide's own scale along each axis.
            x_px, y_px = (left + right) / 2 * mpp[0] / 0.5, (top + bottom) / 2 * mpp[1] / 0.5
            near = store.read(0, round(x_px - SIZE / 2), round(y_px - SIZE / 2), Size(SIZE, SIZE))
            np.testing.assert_array_equal(views[0].transpose(1, 2, 0), near)
            assert CELLS[regions.classes[index]] == annotation.label
            seen += 1
    assert seen == sum(len(s.classes) for s in data.survey.slides) == 100


def test_the_context_has_the_same_centre(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    data = ready(study, context=(1.5, 3.0))
    dataset = data.dataset("train")
    tiles = dataset.regions.tiles
    for index in (0, len(dataset) // 2, len(dataset) - 1):
        views, _ = dataset[index]
        store = SlideStore(data.survey.slides[tiles.slide[index]].path)
        x, y = tiles.origins_px[index] + SIZE / 2
        for view, factor in ((1, 1.5), (2, 3.0)):
            side = SIZE * factor
            region = Region(x - side / 2, y - side / 2, side, side)
            expected = store.read_region(region, Size(SIZE, SIZE))
            np.testing.assert_array_equal(views[view].numpy().transpose(1, 2, 0), expected)


def test_beyond_the_border_all_is_white(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    validate(study, draw(study, (CELLS[0], Point(0, 0)), (CELLS[1], Point(239.9, 120))))
    data = ready(study)
    slide = first_slide(data)
    assert slide.origins_px[-2].tolist() == [-SIZE // 2, -SIZE // 2]
    (subset,) = [s for s, r in data.regions.items() if (r.tiles.slide == 0).any()]
    place = int(np.flatnonzero(data.regions[subset].tiles.slide == 0)[-2])
    views, _ = data.dataset(subset)[place]
    assert (views[0, :, : SIZE // 2] == 255).all()
    assert (views[0, :, :, : SIZE // 2] == 255).all()
    assert (views[0, :, SIZE // 2 :, SIZE // 2 :] < 255).any()
    views, _ = data.dataset(subset)[place + 1]
    assert (views[0, :, :, SIZE // 2 + 1 :] == 255).all()


def test_only_what_a_pathologist_stands_behind(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    shapes = [(CELLS[0], Point(10 * i, 10)) for i in range(1, 5)]
    proposed, validated, rejected, corrected = draw(study, *shapes)
    validate(study, [validated, rejected])
    with Journal.open(study) as journal:
        journal.reject([rejected], author="R2")
        journal.correct(corrected, author="R3", label=CELLS[1])
    of_record = ready(study)
    assert len(first_slide(of_record).classes) == 25 + 1
    assert of_record.survey.left_out == {NOT_SIGNED: 1}
    unsigned = ready(study, unsigned=True)
    assert len(first_slide(unsigned).classes) == 25 + 2
    assert ", 1 not signed off, validated by" in unsigned.record()["label_statement"]
    with Journal.open(study) as journal:
        journal.sign_off(first_slide(unsigned).slide_id, author="R3")
    assert len(first_slide(ready(study)).classes) == 25 + 2
    assert first_slide(ready(study)).classes[-1] == 1
    with_all = ready(study, with_proposals=True)
    assert len(first_slide(with_all).classes) == 25 + 3
    statement = with_all.record()["label_statement"]
    assert "status corrected+proposed+validated" in statement
    assert statement.endswith("not validated by a pathologist")
    assert ready(study).record()["label_statement"].endswith(", validated by a pathologist")
    assert len(first_slide(ready(study, author="R1")).classes) == 25
    assert proposed != validated


def test_what_serves_nothing_is_counted(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    other = (("stroma", box(0, 0, 50, 50)), ("nucleus_stromal", Point(50, 50)))
    off = ((CELLS[0], Point(-1, 5)), (CELLS[0], Point(5, 240)), (CELLS[1], box(200, 5, 300, 9)))
    validate(study, draw(study, *other, *off))
    Cohort([*study.cohort, CohortRow("F" * 16, patient_id="9" * 16)]).write(
        study.path / "cohort.csv"
    )
    validate(study, draw(study, (CELLS[0], Point(5, 5)), slide=4))
    mark_damaged(SlideStore(study.store_path(list(study.cohort)[1].slide_id)))
    data = ready(study)
    assert data.survey.left_out == {OTHER_CLASS: 2, OFF_SLIDE: 3, NO_STORE: 1, DAMAGED: 25}
    assert data.record()["left_out"] == dict(data.survey.left_out)
    assert [s.slide_id for s in data.survey.slides] == [code(i) for i in (0, 2, 3)]


def code(number: int) -> str:
    return f"S{number:015d}"


def mark_damaged(store: SlideStore) -> None:
    """As `pathoai tile` notes a chunk that the slide's file could not give."""
    group = zarr.open_group(store.path, mode="r+", zarr_format=3)
    content = json.loads(json.dumps(dict(group.attrs)))
    content["pathoai"]["damaged"] = [[0, 0, 0, "made for a test"]]
    group.attrs.put(content)


def test_finer_classes_are_rolled_up(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    validate(study, draw(study, ("stroma", Point(9, 9)), ("stroma", Point(90, 90)), slide=2))
    validate(study, draw(study, ("stroma", Point(9, 9)), ("stroma", Point(90, 90)), slide=3))
    validate(study, draw(study, ("stroma", Point(9, 9)), slide=1))
    validate(study, draw(study, ("stroma", Point(9, 9)), slide=0))
    data = ready(study, classes=("nucleus", "stroma"))
    counts = sum(np.bincount(s.classes, minlength=2) for s in data.survey.slides)
    assert counts.tolist() == [100, 6]  # type: ignore[union-attr]  # there are slides
    with pytest.raises(OntologyError, match="unknown class"):
        ready(study, classes=("nucleus", "strome"))


def test_every_class_must_be_there_to_learn(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    with pytest.raises(StudyError, match=r"every class.*annotate some nucleus_stromal"):
        ready(study, classes=(*CELLS, "nucleus_stromal"))
    split = ready(study).split.subset_of_slide()
    (elsewhere,) = [i for i in range(4) if split[code(i)] == "test"]
    validate(study, draw(study, ("nucleus_stromal", Point(9, 9)), slide=elsewhere))
    with pytest.raises(StudyError, match=r"training: .*every class.*nucleus_stromal 0"):
        ready(study, classes=(*CELLS, "nucleus_stromal"))


def test_a_study_without_annotations_is_told(make_study: StudyMaker) -> None:
    study = make_study(*PATIENTS)
    with pytest.raises(StudyError, match=r"no annotation to learn from.*with_proposals"):
        ready(study)
    assert not study.journal_path.exists()
    draw(study, (CELLS[0], Point(9, 9)))
    with pytest.raises(StudyError, match="no annotation to learn from"):
        ready(study)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split": "area"}, "--split; found area"),
        ({"context": (0.5,)}, "rising factors"),
        ({"batch_size": 0}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"classes": CELLS[:1]}, "classes; found 1"),
    ],
)
def test_impossible_settings_are_refused(
    study: Study, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidValueError, match=says):
        data_of(study, **changes)


def test_the_test_of_a_written_split_stays_locked(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    plan = SplitPlan((Link.PATIENT,), test=0.25, validation=0.25)
    write_split(study, split_by_groups(list(study.cohort), plan, study.ontology, name="main"))
    data = ready(study, split="main")
    assert set(data.regions) == {"train", "validation"}
    with pytest.raises(LeakError, match="the test slides are locked"):
        data.dataset("test")
    data.serve_test()
    assert len(data.dataset("test")) == 25
    assert data.record()["split"]["regions"] == {"train": 50, "validation": 25, "test": 25}
    patient = ready(study)
    assert set(patient.regions) == {"train", "validation", "test"}
    of_slide = patient.split.subset_of_slide()
    for subset, regions in patient.regions.items():
        slides = {patient.slide_ids[i] for i in np.unique(regions.tiles.slide)}
        assert slides == {s for s, own in of_slide.items() if own == subset}


def test_each_edit_of_an_annotation_makes_it_another_run(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    before = ready(study).inputs()
    assert ready(study).inputs() == before
    with Journal.open(study) as journal:
        first = journal.annotations(code(2))[0]
        journal.correct(first.id, author="R1", geometry=Point(100, 100))
    after = ready(study).inputs()
    changed = [
        i for i in before["annotations"] if before["annotations"][i] != after["annotations"][i]
    ]
    assert changed == [code(2)]
    assert (before["stores"], before["split"]) == (after["stores"], after["split"])


def test_training_is_drawn_evenly_and_validation_is_as_it_is(make_cells: StudyMaker) -> None:
    study = make_cells(*PATIENTS)
    extra = [(CELLS[0], Point(5 + i % 230, 5 + i // 2)) for i in range(300)]
    for slide in range(4):
        validate(study, draw(study, *extra, slide=slide))
    data = ready(study, temperature=float("inf"), steps_per_epoch=250)
    drawn = data.regions["train"].classes[list(data.train_dataloader().sampler)]
    assert abs((drawn == 0).mean() - 0.5) < 0.05
    assert (data.regions["train"].classes == 0).mean() > 0.9
    validation = data.val_dataloader()
    assert list(validation.sampler) == list(range(len(data.regions["validation"])))
    views, classes = next(iter(validation))
    assert (views.shape, views.dtype.itemsize) == ((8, 2, 3, SIZE, SIZE), 1)
    np.testing.assert_array_equal(classes, data.regions["validation"].classes[:8])
    once = ready(study)
    order = list(once.train_dataloader().sampler)
    assert len(set(order)) == len(order) == 24
