"""The licences that data may leave under, by their SPDX identifier."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from pathoai.errors import PackageError

_CREATIVE_COMMONS = "https://creativecommons.org"
_OPEN_DATA = "https://opendatacommons.org/licenses"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence for data.

    Args:
        spdx: Its identifier in the SPDX licence list.
        name: Its full name.
        iri: Where its text lies.
    """

    spdx: str
    name: str
    iri: str


_KNOWN = {
    licence.spdx: licence
    for licence in (
        Licence(
            "CC0-1.0",
            "Creative Commons Zero v1.0 Universal",
            f"{_CREATIVE_COMMONS}/publicdomain/zero/1.0/",
        ),
        Licence(
            "CC-BY-4.0",
            "Creative Commons Attribution 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by/4.0/",
        ),
        Licence(
            "CC-BY-SA-4.0",
            "Creative Commons Attribution Share Alike 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-sa/4.0/",
        ),
        Licence(
            "CC-BY-NC-4.0",
            "Creative Commons Attribution Non Commercial 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-nc/4.0/",
        ),
        Licence(
            "CC-BY-NC-SA-4.0",
            "Creative Commons Attribution Non Commercial Share Alike 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-nc-sa/4.0/",
        ),
        Licence(
            "CC-BY-ND-4.0",
            "Creative Commons Attribution No Derivatives 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-nd/4.0/",
        ),
        Licence(
            "CC-BY-NC-ND-4.0",
            "Creative Commons Attribution Non Commercial No Derivatives 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-nc-nd/4.0/",
        ),
        Licence(
            "ODbL-1.0", "Open Data Commons Open Database License v1.0", f"{_OPEN_DATA}/odbl/1-0/"
        ),
        Licence(
            "ODC-By-1.0", "Open Data Commons Attribution License v1.0", f"{_OPEN_DATA}/by/1-0/"
        ),
        Licence(
            "PDDL-1.0",
            "Open Data Commons Public Domain Dedication & License 1.0",
            f"{_OPEN_DATA}/pddl/1-0/",
        ),
        Licence(
            "etalab-2.0", "Etalab Open License 2.0", "https://spdx.org/licenses/etalab-2.0.html"
        ),
    )
}


def find_licence(spdx: str) -> Licence:
    """The licence of that SPDX identifier.

    Raises:
        PackageError: It is none of the licences for data that pathoai knows.
    """
    if spdx in _KNOWN:
        return _KNOWN[spdx]
    near = difflib.get_close_matches(spdx, _KNOWN, n=1)
    raise PackageError(
        "unknown licence",
        where="--licence",
        found=repr(spdx),
        allowed=", ".join(_KNOWN),
        remedy=f"did you mean {near[0]}?" if near else "choose one of these",
    )


def is_licence(iri: str) -> bool:
    """True for the IRI of one of these licences."""
    return any(licence.iri == iri for licence in _KNOWN.values())
