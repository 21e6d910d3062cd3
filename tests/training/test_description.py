from __future__ import annotations

import pytest

from pathoai_training.data.label_statement import label_statement
from pathoai_training.description import intended_use

BY_COLOUR = {
    "origin": "import",
    "status": "proposed",
    "description": "hematoxylin-deconvolved nuclei, not validated by a pathologist",
}


def test_labels_by_colour_say_so() -> None:
    text = label_statement("import/hematoxylin", BY_COLOUR)
    assert text == (
        "labels: import/hematoxylin, origin import, status proposed, "
        "hematoxylin-deconvolved nuclei, not validated by a pathologist"
    )


@pytest.mark.parametrize(
    ("about", "validated"),
    [
        ({"origin": "pathologist", "status": "validated"}, True),
        ({"origin": "model+pathologist", "status": "corrected", "method": "annotations"}, True),
        ({"origin": "model", "status": "proposed+validated", "method": "annotations"}, False),
        ({"origin": "import", "status": "validated"}, False),
        ({}, False),
    ],
)
def test_only_what_a_pathologist_judged_is_validated(
    about: dict[str, object], validated: bool
) -> None:
    assert ("not validated" not in label_statement("annotation/x", about)) is validated


def test_intended_use_says_research_and_what_was_tested() -> None:
    record = {"split": {"statement": "tested on X"}, "label_statement": "labels: Y with DAB"}
    text = intended_use(record)
    assert text.startswith("Research only. Not a medical device")
    assert text.endswith("Tested on X. Labels: Y with DAB.")
