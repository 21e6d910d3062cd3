"""Whom a study knows already by a code that was made from another spelling of his identifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from pathoai.errors import StudyError
from pathoai.privacy.pseudonym import Kind, codes_of_all_spellings, load_or_create_key
from pathoai.privacy.tombstones import TABLE, Tombstones
from pathoai.study.cohort import IDENTIFIERS, Cohort, IncomingSlide


class CodedStudy(Protocol):
    """What is asked of a study, which itself asks here before slides enter it."""

    path: Path

    @property
    def vault(self) -> Path:
        """The folder outside the study that holds its key."""
        ...

    @property
    def cohort(self) -> Cohort:
        """The coded slides."""
        ...


def code_in_study(study: CodedStudy, key: bytes) -> Callable[[Kind, str], str]:
    """What codes an identifier for a study: as the study has it, else as new ones are coded.

    Before there was one spelling, ``Éloïse`` typed on two machines could have two codes. A study
    of that time goes on with the code that it has, so that a patient does not get a second one.

    Args:
        study: The study.
        key: Its key.
    """
    known = {getattr(row, f"{name}_id") for row in study.cohort for name in IDENTIFIERS} - {""}
    stones = Tombstones.read(study.path / TABLE)

    def coded(kind: Kind, identifier: str) -> str:
        codes = codes_of_all_spellings(key, kind, identifier)
        return next((one for one in codes if one in known or stones.holds(one)), codes[0])

    return coded


def refuse_other_spellings(study: CodedStudy, slides: Iterable[IncomingSlide]) -> None:
    """Refuse slides that would give somebody whom an older study has a second code.

    Args:
        study: The study.
        slides: What is about to be added.

    Raises:
        StudyError: The study has the patient, block or centre by the code of another spelling, or
            has taken the patient out under it; or its key is not here.
    """
    if not len(study.cohort) and not (study.path / TABLE).is_file():
        return
    key = load_or_create_key(study.vault, may_create=not len(study.cohort))
    coded, stones = code_in_study(study, key), Tombstones.read(study.path / TABLE)
    for number, slide in enumerate(slides, start=1):
        for name in IDENTIFIERS:
            text = getattr(slide, name)
            found = coded(name, text) if text else ""
            if not text or found == codes_of_all_spellings(key, name, text)[0]:
                continue
            if stones.holds(found):
                raise StudyError(
                    "a slide is of somebody who was taken out of the study",
                    where=f"slide {number}",
                    remedy="leave this slide out; none was entered",
                )
            raise StudyError(
                f"the study has this {name} by the code of another spelling of the identifier",
                where=f"slide {number}",
                found=f"{name} {found}",
                allowed=f"one code for each {name}",
                remedy=f"add the slide without its {name}, then state the {name} with `pathoai "
                "cohort import STUDY TABLE.csv`, which takes the code that the study has",
            )
