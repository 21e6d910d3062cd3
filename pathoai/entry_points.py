"""Registries: components announce what they offer by entry point, and it is loaded at first use."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import metadata
from typing import Any

from pathoai.errors import InvalidValueError, MissingDependencyError
from pathoai.extras import missing_dependency


@cache
def _installed(group: str) -> metadata.EntryPoints:
    # Each look reads the metadata of every package, and a command line asks for 30.
    return metadata.entry_points(group=group)


def names_in(group: str) -> tuple[str, ...]:
    """Names registered in a group, sorted.

    Raises:
        InvalidValueError: Two distributions registered the same name.
    """
    found = [e.name for e in _installed(group)]
    if len(set(found)) < len(found):
        twice = sorted({n for n in found if found.count(n) > 1})
        raise InvalidValueError(
            "registered twice", where=f"entry points {group}", found=", ".join(twice)
        )
    return tuple(sorted(found))


def load(group: str, name: str) -> Any:  # noqa: ANN401 - the group's owner states its type
    """What is registered under a name.

    Raises:
        InvalidValueError: Nothing is; the message lists what is and the nearest name.
        MissingDependencyError: It needs a package that is not installed.
    """
    known = names_in(group)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise InvalidValueError(
            f"unknown {group.removeprefix('pathoai.').rstrip('s').replace('_', ' ')}",
            found=repr(name),
            allowed=", ".join(known) or "none is installed",
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )
    (entry,) = _installed(group).select(name=name)
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        missing = missing_dependency(error, where=name)
        if missing is None:
            raise MissingDependencyError(
                "a package is not installed",
                where=name,
                found=error.name,
                remedy="find out what brings it, and pip install that beside pathoai",
            ) from error
        raise missing from error
