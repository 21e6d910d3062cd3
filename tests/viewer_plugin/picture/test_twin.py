from __future__ import annotations

import shutil

from napari_pathoai.picture.twin import stain_name, twins_of
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import OTHER_SLIDE, SLIDE

THIRD, FOURTH = "AAAA56789ABCDEF0", "BBBB56789ABCDEF0"
BLOCK, OTHER_BLOCK = "CCCC56789ABCDEF0", "DDDD56789ABCDEF0"


def with_rows(study: Study, *rows: CohortRow) -> None:
    Cohort(rows).write(study.path / "cohort.csv")
    for row in rows:
        target = study.store_path(row.slide_id)
        if not target.exists():
            shutil.copytree(study.store_path(SLIDE), target)


def test_slides_of_a_block_in_another_stain_are_twins(study: Study) -> None:
    with_rows(
        study,
        CohortRow(SLIDE, block_id=BLOCK),
        CohortRow(OTHER_SLIDE, block_id=BLOCK, stain="AE1AE3"),
        CohortRow(THIRD, block_id=BLOCK),
        CohortRow(FOURTH, block_id=OTHER_BLOCK, stain="CD3"),
    )
    assert [row.slide_id for row in twins_of(study, SLIDE)] == [OTHER_SLIDE]
    assert [row.slide_id for row in twins_of(study, OTHER_SLIDE)] == [SLIDE, THIRD]
    assert twins_of(study, FOURTH) == ()


def test_a_pair_goes_before_the_block(study: Study) -> None:
    with_rows(
        study,
        CohortRow(SLIDE, block_id=BLOCK, pair="p1"),
        CohortRow(OTHER_SLIDE, block_id=BLOCK, stain="CD3"),
        CohortRow(THIRD, block_id=OTHER_BLOCK, stain="IHC", marker="PHH3", pair="p1"),
    )
    (twin,) = twins_of(study, SLIDE)
    assert (twin.slide_id, stain_name(twin)) == (THIRD, "PHH3")


def test_a_twin_that_is_not_tiled_cannot_be_shown(study: Study) -> None:
    rows = (CohortRow(SLIDE, block_id=BLOCK), CohortRow(OTHER_SLIDE, block_id=BLOCK, stain="CD3"))
    Cohort(rows).write(study.path / "cohort.csv")
    assert twins_of(study, SLIDE) == ()
    assert stain_name(rows[0]) == "HE"


def test_a_cohort_of_earlier_versions_has_neither_column(study: Study) -> None:
    path = study.path / "cohort.csv"
    lines = path.read_text().splitlines()
    assert lines[0].endswith("grade,pair,marker")
    path.write_text(
        "\n".join(line.removesuffix(",pair,marker").removesuffix(",,") for line in lines)
    )
    assert [row.pair for row in Study(study.path).cohort] == ["", ""]
