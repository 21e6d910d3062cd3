"""A label holds what a look at every pixel's centre would, and says where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely import Point, Polygon, box
from shapely.affinity import rotate

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Size
from pathoai.ontology import LabelClass, Ontology, load_ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.rasterise_annotations import AnnotationChoice, rasterise_annotations

Draw = Callable[..., Annotation]

BREAST = load_ontology("breast")
EVERYTHING = AnnotationChoice(with_proposals=True)
LABELS = ("dcis", "stroma", "nucleus", "vessel", "invasive_nst")


@pytest.fixture
def store(tiled: Study, slide_id: str) -> SlideStore:
    return SlideStore(tiled.store_path(slide_id))


@pytest.fixture
def crowd(draw: Draw, slide_id: str) -> list[Annotation]:
    """Outlines with holes that overlap, nest, leave the slide and lie across two shards."""
    random = np.random.default_rng(7)
    made = []
    for number in range(60):
        x, y = random.uniform(-20, 4220), random.uniform(-20, 140)
        width, height = random.uniform(2, 400), random.uniform(2, 90)
        shell = box(x, y, x + width, y + height)
        hole = box(x + width / 3, y + height / 3, x + width / 2, y + height / 2)
        outline = rotate(Polygon(shell.exterior, [hole.exterior]), random.uniform(0, 90))
        label = LABELS[number % len(LABELS)]
        made.append(draw(f"{number}", geometry=outline, label=label, slide_id=slide_id))
    return made


def _by_brute_force(
    store: SlideStore, annotations: list[Annotation], *, is_exhaustive: bool
) -> NDArray[np.uint8]:
    """Of all outlines around a pixel's centre the smallest counts."""
    height, width = store.array(0).shape[1:]
    grid = store.grid()
    x = (np.arange(width) + 0.5) * grid.downsample_x
    y = (np.arange(height) + 0.5) * grid.downsample_y
    out = np.full((height, width), 255, np.uint8)
    if is_exhaustive:
        tissue = store.label("tissue").read_all() == 1
        out[np.kron(tissue, np.ones((4, 4), bool))[:height, :width]] = 0
    smallest = np.full((height, width), np.inf)
    for annotation in annotations:
        inside = shapely.contains_xy(annotation.geometry, *np.meshgrid(x, y))
        inside &= annotation.geometry.area < smallest
        smallest[inside] = annotation.geometry.area
        out[inside] = BREAST[annotation.label].index
    return out


@pytest.mark.parametrize("is_exhaustive", [False, True])
def test_every_pixel_has_the_class_of_the_smallest_outline_around_its_centre(
    store: SlideStore, crowd: list[Annotation], is_exhaustive: bool
) -> None:
    choice = AnnotationChoice(with_proposals=True, exhaustive=is_exhaustive)
    label = rasterise_annotations(store, crowd, BREAST, choice)
    expected = _by_brute_force(store, crowd, is_exhaustive=is_exhaustive)
    found = label.read_all()
    assert {*LABELS} <= {BREAST.by_index[int(v)].key for v in np.unique(found) if v != 255}
    np.testing.assert_array_equal(found, expected)


def test_the_order_of_the_annotations_does_not_matter(
    store: SlideStore, crowd: list[Annotation]
) -> None:
    first = rasterise_annotations(store, crowd, BREAST, EVERYTHING)
    pixels, about = first.read_all(), first.about
    again = rasterise_annotations(store, crowd[::-1], BREAST, EVERYTHING)
    assert again.about == about
    np.testing.assert_array_equal(again.read_all(), pixels)


def test_unknown_stays_unknown_and_is_background_only_in_tissue_when_all_was_outlined(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    # Tissue starts at pixel 20 across and 12 down, four pixels of the store a step.
    annotation = draw(geometry=box(200, 40, 240, 60), slide_id=slide_id)
    partial = rasterise_annotations(store, [annotation], BREAST, EVERYTHING).read_all()
    assert set(np.unique(partial)) == {BREAST["dcis"].index, 255}
    whole = rasterise_annotations(
        store, [annotation], BREAST, replace(EVERYTHING, exhaustive=True)
    ).read_all()
    assert (whole[12:, 20:-28] != 255).all()
    assert (whole[:12] == 255).all()
    assert (whole[:, :20] == 255).all()
    assert (whole == BREAST["dcis"].index).sum() == 20 * 10
    assert (partial[whole != 0] == whole[whole != 0]).all()


def test_an_outline_outside_tissue_still_counts(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    annotation = draw(geometry=box(0, 0, 8, 8), slide_id=slide_id)
    choice = replace(EVERYTHING, exhaustive=True)
    label = rasterise_annotations(store, [annotation], BREAST, choice).read_all()
    assert (label[:4, :4] == BREAST["dcis"].index).all()


def test_a_point_lies_over_the_region_around_it(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    region = draw("region", geometry=box(100, 20, 200, 100), slide_id=slide_id)
    point = draw("point", geometry=Point(151, 51), label="mitosis", slide_id=slide_id)
    label = rasterise_annotations(store, [point, region], BREAST, EVERYTHING).read_all()
    assert label[25, 75] == BREAST["mitosis"].index
    assert (label == BREAST["mitosis"].index).sum() == 1


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("with_proposals", [False, True])
@pytest.mark.parametrize("author", ["", "R1", "R2"])
@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("is_signed", [False, True])
def test_the_choice_admits_what_it_says(
    draw: Draw,
    status: Status,
    with_proposals: bool,
    author: str,
    unsigned: bool,
    is_signed: bool,
) -> None:
    choice = AnnotationChoice(author, with_proposals, unsigned=unsigned)
    annotation = replace(draw(), status=status)
    of_record = {str(annotation.id)} if is_signed else set()
    expected = {
        Status.PROPOSED: with_proposals,
        Status.VALIDATED: is_signed or unsigned or with_proposals,
        Status.CORRECTED: is_signed or unsigned or with_proposals,
        Status.REJECTED: False,
    }[status]
    assert choice.admits(annotation, of_record) == (expected and author in ("", "R1"))
    assert choice.name == ("annotation/" + (author or "all"))


def test_readers_have_labels_of_their_own(store: SlideStore, draw: Draw, slide_id: str) -> None:
    outlines = {"R1": box(100, 20, 140, 60), "R2": box(300, 20, 340, 60)}
    annotations = [
        replace(
            draw(reader, geometry=outline, author=reader, slide_id=slide_id),
            status=Status.VALIDATED,
        )
        for reader, outline in outlines.items()
    ]
    for reader in outlines:
        label = rasterise_annotations(
            store,
            annotations,
            BREAST,
            AnnotationChoice(reader),
            of_record=[str(a.id) for a in annotations],
        )
        own = [a for a in annotations if a.author == reader]
        np.testing.assert_array_equal(
            label.read_all(), _by_brute_force(store, own, is_exhaustive=False)
        )
    assert {"annotation/R1", "annotation/R2", "tissue"} == set(store.labels)


def test_a_label_tells_its_origin_its_status_and_its_classes(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    annotations = [
        draw("a", slide_id=slide_id, geometry=box(0, 0, 9, 9)),
        replace(draw("b", slide_id=slide_id, origin=Origin.MODEL), status=Status.VALIDATED),
        replace(draw("c", slide_id=slide_id), status=Status.REJECTED),
    ]
    label = rasterise_annotations(store, annotations, BREAST, EVERYTHING)
    assert label.about["origin"] == "model+pathologist"
    assert label.about["status"] == "proposed+validated"
    assert label.about["description"] == (
        "2 annotations, 1 proposed, 1 validated, 1 of them not signed off"
    )
    assert label.about["exhaustive"] is False
    assert label.about["store_sha256"] == store.identity


def _times(store: SlideStore, label: LabelImage) -> dict[str, int]:
    """When each file of the label was written, in nanoseconds."""
    folder = store.path / "labels" / label.name.replace("/", ".")
    return {f.name: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}


def test_the_same_annotations_leave_the_label_untouched(
    store: SlideStore, crowd: list[Annotation]
) -> None:
    before = _times(store, rasterise_annotations(store, crowd, BREAST, EVERYTHING))
    calls: list[tuple[int, int]] = []
    again = rasterise_annotations(
        store, crowd, BREAST, EVERYTHING, advance=lambda done, total: calls.append((done, total))
    )
    assert _times(store, again) == before
    assert calls == []


@pytest.mark.parametrize(
    "change",
    [
        lambda a: replace(a, label="vessel"),
        lambda a: replace(a, geometry=box(200, 20, 260, 80)),
        lambda a: replace(a, status=Status.VALIDATED),
    ],
    ids=["label", "outline", "status"],
)
def test_changed_annotations_make_the_label_anew(
    store: SlideStore, draw: Draw, slide_id: str, change: Callable[[Annotation], Annotation]
) -> None:
    first = draw(geometry=box(100, 20, 160, 80), slide_id=slide_id)
    second = draw("second", geometry=box(500, 20, 560, 80), slide_id=slide_id)
    before = rasterise_annotations(store, [first, second], BREAST, EVERYTHING).about
    calls: list[tuple[int, int]] = []
    changed = [change(first), second]
    label = rasterise_annotations(
        store, changed, BREAST, EVERYTHING, advance=lambda done, total: calls.append((done, total))
    )
    assert label.about != before
    assert calls == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(
        label.read_all(), _by_brute_force(store, changed, is_exhaustive=False)
    )


def test_a_label_follows_an_ontology_whose_numbers_changed(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    annotation = draw(geometry=box(100, 20, 160, 80), slide_id=slide_id)
    rasterise_annotations(store, [annotation], BREAST, EVERYTHING)
    background = LabelClass(0, "background", "Background", "Fond", "#ffffff")
    other = Ontology(
        "other", "1", "Other", (background, LabelClass(99, "dcis", "x", "x", "#000000"))
    )
    label = rasterise_annotations(store, [annotation], other, EVERYTHING)
    assert set(np.unique(label.read_all())) == {99, 255}


def test_nothing_to_paint_is_an_error_with_a_remedy(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    with pytest.raises(AnnotationError, match=r"found 1 annotations.*--with-proposals"):
        rasterise_annotations(store, [draw(slide_id=slide_id)], BREAST, AnnotationChoice())
    assert store.labels == ("tissue",)


def test_an_unknown_class_is_refused_and_the_older_label_stays(
    store: SlideStore, draw: Draw, slide_id: str
) -> None:
    good = draw(geometry=box(100, 20, 160, 80), slide_id=slide_id)
    before = rasterise_annotations(store, [good], BREAST, EVERYTHING).read_all()
    with pytest.raises(OntologyError, match="unknown class"):
        rasterise_annotations(store, [replace(good, label="hsil")], BREAST, EVERYTHING)
    np.testing.assert_array_equal(store.label("annotation/all").read_all(), before)


def test_every_object_has_a_number_of_its_own(store: SlideStore, crowd: list[Annotation]) -> None:
    label = rasterise_annotations(store, crowd, BREAST, EVERYTHING)
    numbers = np.asarray(label.instances()[:])
    ranked = sorted(crowd, key=lambda a: (-a.geometry.area, str(a.id)))
    assert numbers.dtype == np.uint32
    values = label.read_all()
    for number in np.unique(numbers[numbers > 0]):
        outline = ranked[int(number) - 1]
        assert set(values[numbers == number].tolist()) == {BREAST[outline.label].index}
    # What has a class has a number and the other way round: no outline is lost under another's.
    np.testing.assert_array_equal(numbers > 0, values != 255)


def test_neighbours_that_touch_stay_two(store: SlideStore, draw: Draw, slide_id: str) -> None:
    pair = [
        draw(
            f"{i}",
            geometry=box(100 + 10 * i, 40, 110 + 10 * i, 50),
            label="nucleus",
            slide_id=slide_id,
        )
        for i in range(2)
    ]
    label = rasterise_annotations(store, pair, BREAST, EVERYTHING)
    region = store.grid()
    at = round(95 / region.downsample_x), round(35 / region.downsample_y)
    found = label.read_instances(*at, Size(30, 20))
    assert sorted(np.unique(found).tolist()) == [0, 1, 2]
