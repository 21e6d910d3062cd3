"""The grade of a whole slide: a class of the ontology, ranked where the ontology is ordinal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pathoai.errors import OntologyError
from pathoai.ontology import LabelClass, Ontology
from pathoai.privacy.shown import shown


def check_grades(ontology: Ontology, grades: Iterable[str]) -> None:
    """Refuse what cannot be the grade of a slide; blanks are grades not known.

    Raises:
        OntologyError: No class of the ontology, or one without a rank in an ordinal ontology.
    """
    for key in set(grades) - {""}:
        if key not in ontology:
            raise OntologyError(
                "unknown class",
                where=f"ontology {ontology.key}",
                found=shown(key),
                allowed=", ".join(one.key for one in ontology.classes),
                remedy=_nearest(key, ontology),
            )
        if ontology[key].grade is None and ontology.is_ordinal:
            raise OntologyError(
                "this class is no grade of a slide",
                where=f"ontology {ontology.key}",
                found=repr(key),
                allowed=", ".join(c.key for c in ontology.classes if c.grade is not None),
            )


def _nearest(key: str, ontology: Ontology) -> str | None:
    near = difflib.get_close_matches(key, [one.key for one in ontology.classes], n=1)
    return f"did you mean {near[0]!r}?" if near else None


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


def position_of_grade(ontology: Ontology, classes: tuple[str, ...]) -> dict[str, int]:
    """Which of some classes stands for each grade: the one of the same rank.

    So an adenocarcinoma in situ counts with the high-grade lesions, whatever it grows from.

    Args:
        ontology: Theirs.
        classes: From least to most severe.

    Returns:
        Key of a class with a rank → position in ``classes``; ranks that none of them has are left
        out.

    Raises:
        OntologyError: One of them is unknown or has no rank, or they do not rise.
    """
    ranks = [ontology[key].grade for key in classes]
    known = [rank for rank in ranks if rank is not None]
    if len(known) < len(ranks) or sorted(set(known)) != known:
        raise OntologyError(
            "the classes of a slide's grade rise from least to most severe",
            where=f"ontology {ontology.key}",
            found=", ".join(f"{k} (grade {r})" for k, r in zip(classes, ranks, strict=True)),
            allowed=", ".join(
                f"{c.key} (grade {c.grade})" for c in ontology.classes if c.grade is not None
            ),
        )
    place = {rank: position for position, rank in enumerate(known)}
    return {c.key: place[c.grade] for c in ontology.classes if c.grade in place}


def class_of_rank(ontology: Ontology, rank: int) -> LabelClass:
    """The most general class of a rank, the first where several are as general.

    Raises:
        OntologyError: The ontology ranks none so.
    """
    ranked = [c for c in ontology.classes if c.grade == rank]
    if not ranked:
        known = sorted({c.grade for c in ontology.classes if c.grade is not None})
        raise OntologyError(
            "no class has this grade",
            where=f"ontology {ontology.key}",
            found=rank,
            allowed=", ".join(map(str, known)) or "none: the ontology is not ordinal",
        )
    return min(ranked, key=lambda c: len(ontology.ancestors(c.key)))
