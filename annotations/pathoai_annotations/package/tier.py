"""How far a package may travel, and what that is called in the vocabularies of catalogues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_DUO = "http://purl.obolibrary.org/obo/DUO_"
_ACCESS_RIGHT = "http://publications.europa.eu/resource/authority/access-right/"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a package.

    Args:
        words: For people.
        duo: IRI of the use condition in the Data Use Ontology (GA4GH).
        duo_label: Its name there.
        access_right: IRI of the access right in the EU's authority table.
        is_free: Whether anybody may have it without asking.
    """

    words: str
    duo: str
    duo_label: str
    access_right: str
    is_free: bool


class Tier(StrEnum):
    """How far a package may travel."""

    INTERNAL = "internal"
    """Stays in the institution: slides are named by code and hash, no pixel leaves."""
    CONTROLLED = "controlled"
    """Given to named users under an agreement, with de-identified images."""
    OPEN = "open"
    """For anybody, with de-identified images."""

    @property
    def is_published(self) -> bool:
        """True where it leaves the institution: images are de-identified, small counts masked."""
        return self is not Tier.INTERNAL

    @property
    def access(self) -> Access:
        """Who may use it."""
        return _ACCESS[self]


_ACCESS = {
    Tier.INTERNAL: Access(
        "internal: for use inside the institution of the study",
        f"{_DUO}0000028",
        "institution specific restriction",
        f"{_ACCESS_RIGHT}NON_PUBLIC",
        is_free=False,
    ),
    Tier.CONTROLLED: Access(
        "controlled: for named users, under an agreement with the institution of the study",
        f"{_DUO}0000026",
        "user specific restriction",
        f"{_ACCESS_RIGHT}RESTRICTED",
        is_free=False,
    ),
    Tier.OPEN: Access(
        "open: for anybody, under the licence",
        f"{_DUO}0000004",
        "no restriction",
        f"{_ACCESS_RIGHT}PUBLIC",
        is_free=True,
    ),
}
