"""Who edits, with what, in how long, and what they say of it."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Required, TypedDict

from pathoai import __version__
from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import check_author

TOOL = f"pathoai {__version__}"
LONGEST_COMMENT = 2000
_LONGEST_TOOL = 200
# An address, as many digits in a row as numbers of patients, visits, telephones and days of birth
# have, or a title with a name behind it.
_IDENTIFIER = re.compile(
    r"@(?<=[\w.+-]@)[\w-]+\.\w|(?:\d[ ./:-]?){7,}"
    r"|\b(?:Dr|Pr|Prof|Mme|Mlle|M|Mr|Mrs|Ms|Docteur|Madame|Monsieur)\b[. -]{1,2}[A-ZÀ-Ý]\w"
)
_NAME = re.compile(r"[^\W\d_]{4,}")
_IN_ONE_TEXT = """
aperio biopsie biopsy bloc block breast cancer carcinoma case cervix copy core dcis dicom
generated histology image invasive lame level mrxs ndpi normal ome original patient piece region
sample scan scanner section sein slide slides small specimen stain stroma svs test tiff tile
tissue training tumeur tumor tumour validation whole wsi zarr
"""
_OF_EVERY_LABORATORY = frozenset(_IN_ONE_TEXT.split())


class EditDetails(TypedDict, total=False):
    """What every edit may be told, by keyword; see `Edit`."""

    author: Required[str]
    tool: str
    seconds: float | None
    comment: str | None
    action: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Edit:
    """The circumstances of an edit.

    Args:
        author: Code of who edits; never a name.
        tool: Program and version.
        seconds: Time that the author spent on the region or the slide; None where nobody measured.
        comment: Free text, at most 2,000 characters; no name belongs there.
        action: What the author does in one go, of which the edit is a part: undo takes back all of
            it. One of its own where None.

    Raises:
        AnnotationError: A part is malformed, or the comment looks as if it identified someone.
    """

    author: str
    tool: str = TOOL
    seconds: float | None = None
    comment: str | None = None
    action: uuid.UUID | None = None

    def __post_init__(self) -> None:
        """Refuse what must not be kept for ever."""
        check_author(self.author)
        if not 0 < len(self.tool) <= _LONGEST_TOOL:
            raise AnnotationError(
                "a tool is a program and its version",
                found=f"{len(self.tool)} characters",
                allowed=f"1 to {_LONGEST_TOOL} characters",
            )
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise AnnotationError("seconds", found=self.seconds, allowed="0 or more")
        if self.comment is not None:
            _check_comment(self.comment)
        if self.action is None:
            object.__setattr__(self, "action", uuid.uuid4())

    @property
    def columns(self) -> dict[str, Any]:
        """Its parts by the names of the log's columns."""
        return asdict(self) | {"action": str(self.action)}


def refuse_names(comment: str | None, names: frozenset[str]) -> None:
    """Refuse a comment that holds a word of the names of the slides' files.

    Args:
        comment: What is said, if anything.
        names: Such words, in small letters.

    Raises:
        AnnotationError: It does.
    """
    if comment is not None and names & {word.casefold() for word in _NAME.findall(comment)}:
        raise AnnotationError(
            "the comment looks as if it identified a person",
            found="a word that the name of a slide's file holds",  # never the word itself
            remedy="say it without: what is in the journal stays there",
        )


def words_of_names(file_names: Iterable[str]) -> frozenset[str]:
    """The words of files' names that may be a person's; those of every laboratory are left out."""
    found = {word.casefold() for name in file_names for word in _NAME.findall(name)}
    return frozenset(found - _OF_EVERY_LABORATORY)


def _check_comment(text: str) -> None:
    if not 0 < len(text.strip()) <= len(text) <= LONGEST_COMMENT or "\0" in text:
        raise AnnotationError(
            "a comment is a short text",
            found=f"{len(text)} characters",
            allowed=f"1 to {LONGEST_COMMENT:,} characters",
        )
    if _IDENTIFIER.search(text):
        raise AnnotationError(
            "the comment looks as if it identified a person",
            # Never the text itself.
            found="an e-mail address, seven digits or more in a row, or a title and a name",
            remedy="say it without: what is in the journal stays there",
        )
