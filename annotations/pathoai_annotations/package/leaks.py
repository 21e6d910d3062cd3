"""What must never be in a package: addresses, paths, names of people's accounts and machines."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

_PATTERNS = {
    # A package URL, pkg:pypi/pathoai@1.0.rc1, is the one thing with an @ that a crate needs.
    "an e-mail address": re.compile(
        r"(?<!pkg:pypi/)(?<![\w.%+-])[\w.%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
    ),
    "an absolute path": re.compile(
        r"(?<![\w.:/<-])/(?:home|Users|root|mnt|media|tmp|var|data|work|srv|opt|scratch|Volumes|nfs)"
        r"/[\w.~-]"
        r"|\b[A-Za-z]:(?:\\{1,2}|/)[A-Za-z]"
        r"|\bfile://"
        r"|\\\\[A-Za-z0-9-]+\\"
    ),
}
# Accounts of containers and machines in general, which say nothing of a person.
_NOBODY = {"root", "user", "admin", "runner", "ubuntu", "localhost", "demo", "data", "pathoai"}
_SHORTEST_NAME = 4


def leaks_in(text: str, names: Iterable[str] = ()) -> Iterator[str]:
    """What was found, e.g. ``an e-mail address``; the finding itself is not repeated.

    Args:
        text: Content of a file.
        names: Words that must not be in it either, e.g. names of source files.
    """
    for what, pattern in _PATTERNS.items():
        if pattern.search(text):
            yield what
    home = str(Path.home())
    if len(home) >= _SHORTEST_NAME and home in text and home != "/root":
        yield "the home folder"
    for what, name in (("the user's name", _user()), ("the machine's name", socket.gethostname())):
        if _tells(name) and _as_word(name).search(text):
            yield what
    if any(name in text for name in names):
        yield "the name of a slide's source file"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return ""


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME and name.lower() not in _NOBODY


def _as_word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
