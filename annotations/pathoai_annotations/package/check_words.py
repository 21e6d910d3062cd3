"""Does a package hold a word that its reader knows it must not hold?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pathoai.byte_search.search_file import Looked, look_through
from pathoai_annotations.package.finding import Finding

_NAMED = "a file or folder that is named by a word of the list"
_REMEDY = "do not pass the package on; take it out at its source and build the package again"


def check_words(root: Path, words: Sequence[str]) -> tuple[list[Finding], frozenset[str]]:
    """Look through every file and its name; the words themselves are never repeated.

    Returns:
        The findings, and the paths in the package that must not be shown, because a word stands
        in them.

    Raises:
        InvalidValueError: A word is too short to be looked for.
        OSError: A file cannot be read.
    """
    looked = list(look_through(root, words))
    findings = [finding for one in looked for finding in _findings(one)]
    return findings, frozenset(one.where for one in looked if one.named)


def without_names(finding: Finding, named: frozenset[str]) -> Finding:
    """The finding, which does not show a path in which a word stands."""
    shown = any(name in finding.where or name in finding.what for name in named)
    return Finding("something is wrong with it", _NAMED, finding.remedy) if shown else finding


def _findings(looked: Looked) -> Iterator[Finding]:
    where = _NAMED if looked.named else looked.where
    if looked.found:
        yield Finding(f"{_said(looked)} of the list stands in it", where, _REMEDY)
    if not looked.whole:
        yield Finding(
            "a part cannot be looked through for words",
            where,
            "unpack it and look through it by hand, or take it out",
        )


def _said(looked: Looked) -> str:
    numbers = sorted(number + 1 for number in looked.found)
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return f"word {shown}" if len(numbers) == 1 else f"each of the words {shown}"
