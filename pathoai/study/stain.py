"""How a slide is stained, as the cohort spells it."""

from __future__ import annotations

HE = "HE"
HES = "HES"
"""With saffron, which shows collagen: what laboratories in France stain by routine."""

_SPELLINGS = {
    HE: {"HE", "H&E", "H+E", "H/E", "H-E", "HANDE", "HEMATOXYLINANDEOSIN"},
    HES: {"HES", "H&E&S", "H-E-S", "HE-S", "HEMATOXYLINEOSINSAFFRON", "HEMATOXYLINEOSINANDSAFFRON"},
}


def stain_term(stain: str) -> str:
    """A stain as the cohort spells it: ``H&E``, ``he`` and the like are ``HE``."""
    plain = "".join(stain.upper().replace(",", "").replace(".", "").split())
    plain = plain.replace("HAEMA", "HEMA")
    return next((term for term, known in _SPELLINGS.items() if plain in known), stain.strip())


def is_routine(stain: str) -> bool:
    """Whether a slide shows a section as every section is stained, not one marker of it.

    Args:
        stain: As the cohort spells it.
    """
    return stain in _SPELLINGS
