from __future__ import annotations

import numpy as np
import pytest
from shapely import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Mpp
from pathoai.ontology import load_ontology
from pathoai_annotations.agreement.disagreements import by_cost, region_disagreements
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.outlined_slides import (
    OutlinedSlide,
    Outlines,
    classes_in,
    counted_classes,
)
from pathoai_annotations.agreement.region_agreement import (
    DICE,
    F1,
    HAUSDORFF,
    IOU,
    PANOPTIC,
    pair_outlines,
)

ONTOLOGY = load_ontology("cervix")
SCALE = GradeScale.of(ONTOLOGY)
Drawn = list[tuple[str, BaseGeometry]]


def _slide(
    name: str, drawn: dict[str, Drawn], *, roll_up: bool = False, mpp: Mpp | None = None
) -> OutlinedSlide:
    counts_as = counted_classes(ONTOLOGY, roll_up=roll_up)
    outlines = {
        reader: Outlines.of(
            ((f"{reader}-{i}", label, shape) for i, (label, shape) in enumerate(found)), counts_as
        )
        for reader, found in drawn.items()
    }
    return OutlinedSlide(name, f"patient {name}", mpp or Mpp.square(0.5), outlines)


def test_values_by_hand() -> None:
    first = _slide(
        "a",
        {
            "R1": [("hsil", box(0, 0, 100, 100)), ("hsil", box(500, 0, 540, 40))],
            "R2": [("hsil", box(20, 0, 120, 100))],
        },
    )
    second = _slide("b", {"R1": [], "R2": [("lsil", box(0, 0, 10, 10))]})
    third = _slide("c", {"R1": [("hsil", box(0, 0, 10, 10))]})
    found = pair_outlines([first, second, third], ("R1", "R2"), ("lsil", "hsil"))
    assert found is not None
    assert found.patients == ("patient a", "patient b")  # R2 did not read the third
    measures = found.measures()
    value = {name: one.estimate for name, one in measures.items()}
    assert value[DICE] == pytest.approx([0, 2 * 8000 / (10000 + 1600 + 10000)])
    assert value[IOU] == pytest.approx([0, 8000 / (11600 + 10000 - 8000)])
    assert value[F1] == pytest.approx([0, 2 / 3])
    assert value[PANOPTIC] == pytest.approx([0, (8000 / 12000) / 1.5])
    assert np.isnan(value[HAUSDORFF][0])
    # The far square lies 380 px, 190 µm, from R2's outline, and is more than a twentieth.
    assert value[HAUSDORFF][1] > 190
    assert found.outlined.tolist() == [[0, 1], [2, 1]]
    assert found.areas_um2[0, 1] == pytest.approx(np.array([8000, 11600, 10000]) / 4)


def test_pixels_that_are_not_square() -> None:
    drawn: dict[str, Drawn] = {
        "R1": [("hsil", box(0, 0, 100, 100))],
        "R2": [("hsil", box(0, 10, 100, 110))],
    }
    slide = _slide("a", drawn, mpp=Mpp(0.25, 0.26))
    found = pair_outlines([slide], ("R1", "R2"), ("hsil",))
    assert found is not None
    assert found.hausdorff_um[0, 0] == pytest.approx(2.6)


def test_kinds_count_with_their_parents_where_asked() -> None:
    drawn: dict[str, Drawn] = {
        "R1": [("cin2", box(0, 0, 10, 10))],
        "R2": [("cin3", box(0, 0, 10, 10)), ("mitosis", Point(3, 3))],
    }
    apart, together = _slide("a", drawn), _slide("a", drawn, roll_up=True)
    assert classes_in([apart], ONTOLOGY) == ("cin2", "cin3")
    assert classes_in([together], ONTOLOGY) == ("hsil",)
    assert together.outlines["R2"].without_area == 1
    found = pair_outlines([together], ("R1", "R2"), ("hsil",))
    assert found is not None
    assert found.measures()[DICE].estimate == pytest.approx([1])


def test_disagreements_by_their_cost() -> None:
    slide = _slide(
        "a",
        {
            "R1": [
                ("lsil", box(0, 0, 10, 10)),
                ("benign", box(20, 0, 30, 10)),
                ("cin2", box(40, 0, 50, 10)),
                ("stroma", box(60, 0, 70, 10)),
            ],
            "R2": [
                ("hsil", box(1, 0, 10, 10)),
                ("cin3", box(40, 0, 50, 10)),
                ("invasive", box(80, 0, 90, 10)),
            ],
        },
    )
    found = by_cost(list(region_disagreements([slide], ["R1", "R2", "R3"], SCALE)))
    assert [(one.label, one.cost, one.said) for one in found] == [
        # A carcinoma that R1 has not; one lesion by two names; benign tissue costs nothing to miss,
        # CIN2 and CIN3 are one grade, and stroma is none.
        ("invasive", 1.0, (("R2", "invasive"), ("R1", "nothing"))),
        ("hsil", 0.3, (("R1", "lsil"), ("R2", "hsil"))),
    ]
    assert found[0].region is not None
    assert (found[0].region.x, found[0].region.width) == (80, 10)
    assert found[0].annotation_ids == ("R2-2",)
    assert found[1].annotation_ids == ("R1-0", "R2-0")
    assert found[1].words == "R1: lsil, R2: hsil"


def test_who_outlined_nothing_has_an_opinion_and_who_did_not_read_has_none() -> None:
    hole = Polygon(box(0, 0, 10, 10).exterior, [box(3, 3, 6, 6).exterior])
    slide = _slide("a", {"R1": [("hsil", hole)], "R2": []})
    assert len(list(region_disagreements([slide], ["R1", "R2"], SCALE))) == 1
    alone = _slide("a", {"R1": [("hsil", hole)]})
    assert not list(region_disagreements([alone], ["R1", "R2"], SCALE))
    assert pair_outlines([alone], ("R1", "R2"), ("hsil",)) is None
