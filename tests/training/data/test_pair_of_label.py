from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from pathoai.errors import StudyError
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.training.conftest import code, painted
from tests.training.data.test_data_module import PATIENTS, module

LABEL = "ihc/AE1AE3"
TWINS = (code("R", 0), code("R", 1))


def _pair(study: Study, terms: Sequence[str], twins: Sequence[str]) -> None:
    slides = [row for row in study.cohort if row.slide_id not in TWINS]
    fixed = [replace(row, pair=term) for row, term in zip(slides, terms, strict=True)]
    moving = [
        CohortRow(twin, patient_id=row.patient_id, stain="IHC", marker="AE1AE3", pair=term)
        for twin, row, term in zip(TWINS, slides, twins, strict=True)
    ]
    Cohort([*fixed, *moving]).write(study.path / "cohort.csv")


@pytest.fixture
def paired(make_study: Callable[..., Study]) -> Study:
    """Two slides, each labelled from a restained twin."""
    study = make_study(*PATIENTS[:2], label=None)
    for number, row in enumerate(study.cohort):
        store = SlideStore(study.store_path(row.slide_id))
        about = {"origin": "ihc", "status": "proposed", "restained_slide": TWINS[number]}
        writer = LabelWriter(
            store.path, store.header, LabelRecipe(LABEL, study.ontology.classes, about)
        )
        writer.class_map.write((0, 0), painted(number)[1])
        writer.finish()
    _pair(study, ("a", "b"), ("a", "b"))
    return study


def test_labels_of_present_pairs_are_learnt_from(paired: Study) -> None:
    data = module(paired, label=LABEL)
    data.setup()
    assert len(data.slides) == 2
    assert "left_out" not in data.record()


@pytest.mark.parametrize("twins", [("a", ""), ("a", "a"), ("a", "c")])
def test_a_label_from_a_slide_that_is_no_longer_the_pair_is_left_out_and_told(
    paired: Study, twins: Sequence[str]
) -> None:
    _pair(paired, ("a", "b"), twins)
    data = module(paired, label=LABEL)
    data.setup()
    stays, goes = (row.slide_id for row in paired.cohort if row.slide_id not in TWINS)
    assert [slide.slide_id for slide in data.slides] == [stays]
    record = data.record()
    assert record["left_out"] == [goes]
    assert "no longer their pair: 1 of 2 slides" in record["label_statement"]


def test_twins_that_were_exchanged_leave_nothing_to_learn_from(paired: Study) -> None:
    _pair(paired, ("a", "b"), ("b", "a"))
    with pytest.raises(StudyError, match=r"no longer the pairs.*label STUDY --marker AE1AE3"):
        module(paired, label=LABEL).setup()
