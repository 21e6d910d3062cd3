"""The grade of a whole slide: a class of the ontology, ranked where the ontology is ordinal."""

from __future__ import annotations

from collections.abc import Iterable

from pathoai.errors import OntologyError
from pathoai.ontology import Ontology


def check_grades(ontology: Ontology, grades: Iterable[str]) -> None:
    """Refuse what cannot be the grade of a slide; blanks are grades not known.

    Raises:
        OntologyError: No class of the ontology, or one without a rank in an ordinal ontology.
    """
    for key in set(grades) - {""}:
        if ontology[key].grade is None and ontology.is_ordinal:
            raise OntologyError(
                "this class is no grade of a slide",
                where=f"ontology {ontology.key}",
                found=repr(key),
                allowed=", ".join(c.key for c in ontology.classes if c.grade is not None),
            )


def severity(ontology: Ontology, grade: str) -> int:
    """Rank of a slide's grade: higher is more severe, -1 where it is not known.

    An ontology that is not ordinal ranks by index, so that the answer is always the same one.

    Raises:
        OntologyError: No class of the ontology.
    """
    if not grade:
        return -1
    label = ontology[grade]
    return label.index if label.grade is None else label.grade
