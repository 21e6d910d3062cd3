"""Does any text of a package hold an address, a path, or the name of a user or a machine?"""

from __future__ import annotations

import getpass
import html
import os
import re
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.landing_page import PAGE_TEMPLATE
from pathoai_annotations.package.catalogue.readme import README_TEMPLATE
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.parts import Content, content_of
from pathoai_annotations.package.printable_runs import printable_runs

_REMEDY = "do not pass the package on; take the text out at its source and build it again"
# Each starts with the rare sign itself and looks behind it: that is far quicker on long texts.
_EMAIL = re.compile(r"@(?<=[\w.+-]@)[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_UNIX_PATH = re.compile(
    r"/(?<![\w.:/<*~$-]/)(?:[\w.+-]+/[\w.+-]|(?:home|root|Users|mnt|media|tmp|Volumes)\b)"
)
_FILE_URL = re.compile(r":/(?<=file:/)")
_HOME_PATH = re.compile(r"~(?<![\w~]~)[\w.-]*/[\w.]")
_DRIVE_PATH = re.compile(r":(?:(?<=\W[A-Za-z]:)|(?<=^[A-Za-z]:))[\\/](?!/)[\w.\\ -]", re.MULTILINE)
_SHARE_PATH = re.compile(r"\\\\[\w.-]+\\[\w$.-]+")
_PATTERNS = (
    (_EMAIL, "an e-mail address"),
    (_UNIX_PATH, "an absolute path"),
    (_FILE_URL, "an absolute path"),
    (_HOME_PATH, "a path of a home folder"),
    (_DRIVE_PATH, "a path of a Windows drive or share"),
    (_SHARE_PATH, "a path of a Windows drive or share"),
)
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SHORTEST_NAME = 4
# Names of accounts and machines that name nobody.
_COMMON_NAMES = frozenset(
    {"admin", "administrator", "container", "debian", "demo", "docker", "guest", "jovyan"}
    | {"localdomain", "localhost", "nobody", "root", "runner", "test", "ubuntu", "user", "worker"}
)


def check_privacy(root: Path) -> Iterator[Finding]:
    """Scan every file, its name, and the bag's own files."""
    names = _names_of_this_machine()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        where = path.relative_to(root).as_posix()
        for what, _ in _leaks(where, names):
            yield Finding(f"{what} in the name of a file", layout.PAYLOAD, _REMEDY)
        if where in (layout.SIGNATURE, layout.SIGNER):
            # Base 64 may look like a path; the check of the signature allows nothing else.
            continue
        content = content_of(where.removeprefix(f"{layout.PAYLOAD}/"))
        if content is not Content.TEXT:
            yield from _search_bytes(path, where, names)
            continue
        try:
            text = path.read_text("utf8")
        except UnicodeDecodeError:
            yield Finding("not text in UTF-8, so nobody can look for names in it", where, _REMEDY)
            continue
        plain = _plain(text, path.suffix)
        for what, position in _leaks(plain, names):
            line = plain.count("\n", 0, position) + 1
            yield Finding(f"{what} in the text", f"{where} line {line}", _REMEDY)


def _search_bytes(path: Path, where: str, names: frozenset[str]) -> Iterator[Finding]:
    """Look for names in what is no text; its own check says whether it is what it shall be.

    Patterns are looked for in long runs of printable signs alone: in pixels, short ones come up by
    chance.
    """
    for run in printable_runs(path):
        for what, _ in _leaks(run, names):
            yield Finding(f"{what} in the file", where, _REMEDY)
            return


def _plain(text: str, suffix: str) -> str:
    """The text as a reader sees it: an address is one even where its ``@`` is escaped."""
    if suffix == ".html":
        return html.unescape(text)
    if suffix in (".json", ".geojson", ".jsonl") and "\\" in text:
        text = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        return text.replace("\\/", "/").replace("\\\\", "\\")
    return text


def _leaks(text: str, names: frozenset[str]) -> Iterator[tuple[str, int]]:
    for pattern, what in _PATTERNS:
        for match in pattern.finditer(text):
            yield what, match.start()
    for name in names:
        if name in text and (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)):
            yield "the name of this computer or of its user", found.start()


@cache
def _own_words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", (README_TEMPLATE + PAGE_TEMPLATE).casefold()))


def _names_of_this_machine() -> frozenset[str]:
    """Names of the user and the computer, unless they are words that a package holds anyway."""
    names = {socket.gethostname(), socket.gethostname().partition(".")[0], Path.home().name}
    try:
        names.add(getpass.getuser())
    except (OSError, KeyError):  # a container may run under a number that has no name
        names.add(os.environ.get("USERNAME", ""))
    return frozenset(
        name
        for name in names
        if len(name) >= _SHORTEST_NAME and name.casefold() not in _COMMON_NAMES | _own_words()
    )
