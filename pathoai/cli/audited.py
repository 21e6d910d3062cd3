"""Every command that names a study leaves two entries in its audit trail: when it starts and ends.

A command that is killed leaves the first one alone, which tells as much.
"""

from __future__ import annotations

import secrets
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.errors import AuditError, PathoaiError, PreemptedError

if TYPE_CHECKING:  # loaded only where a study is named
    from pathoai.privacy.audit_entry import Action
    from pathoai.privacy.audit_trail import AuditTrail

_ACTIONS = {
    "annotations export": "export",
    "cohort export": "export",
    "erase": "erasure",
    "model export": "export",
    "oppose": "erasure",
    "package approve": "approve",
    "package build": "export",
    "package encrypt": "key",
    "package sign": "key",
    "package publish": "export",
    "readers room": "export",
    "store export": "export",
    "study portal": "export",
}
"""What is more than looking; edits are entered with the journal, one by one."""
_NAMED_AS = ("study", "path", "target", "studies")
"""Where commands keep the study that they are told."""


@contextmanager
def audited(options: Namespace, words: str) -> Iterator[None]:
    """Enter a command into the trails of the studies it names.

    Args:
        options: Of the command.
        words: Its words, e.g. ``package build``; no argument.

    Raises:
        AuditError: What leaves the study or is taken out of it cannot be entered.
        PathoaiError: As the command does.
    """
    before = _studies(options)
    facts = {"command": words, "run": secrets.token_hex(4)}
    start = facts | {"step": "start"}
    told = {study for study in before if not _enter(study, start)}
    outcome = {"outcome": "failed"}
    try:
        yield
        outcome = {"outcome": "done"}
    except (KeyboardInterrupt, PreemptedError):
        outcome = {"outcome": "stopped"}
        raise
    except PathoaiError as error:
        outcome["error"] = type(error).__name__
        raise
    finally:
        # A study that the command made is there only now.
        for study in _studies(options):
            _enter(study, facts | {"step": "end"} | outcome, is_told=study in told)


def _studies(options: Namespace) -> list[Path]:
    found: list[object] = []
    for name in _NAMED_AS:
        value = getattr(options, name, None)
        found += value if isinstance(value, list) else [value]
    return [p for p in found if isinstance(p, Path) and (p / "study.toml").is_file()]


def _enter(path: Path, facts: dict[str, str], *, is_told: bool = False) -> bool:
    """Whether it could be entered; a person is told once where it could not."""
    from pathoai.privacy.audit_entry import Action

    action = Action(_ACTIONS.get(facts["command"], Action.ACCESS))
    try:
        trail = _trail(path)
        trail.append(action, trail.account(), facts)
    except OSError as error:
        _not_entered(action, error, is_told=is_told)
        return False
    return True


def _trail(path: Path) -> AuditTrail:
    from pathoai.privacy.audit_trail import AuditTrail
    from pathoai.study.study import Study

    return AuditTrail.open(Study(path))


def _not_entered(action: Action, error: OSError, *, is_told: bool) -> None:
    """Whoever may only read a study may look at it, but takes nothing out of it."""
    why = error.strerror or type(error).__name__
    if action != "access":
        raise AuditError(
            "this must be entered in the study's audit trail and cannot be, so it is not done",
            found=why,
            remedy="make the study's folder and its vault writable for you, or work on a copy of "
            "the study, which has a trail of its own",
        ) from error
    if not is_told:
        print(f"pathoai: this access is not in the audit trail: {why}", file=sys.stderr)
