"""The program ``pathoai``: finds the command, runs it, and turns errors into one clear line."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence
from pathlib import Path

from pathoai import __version__, entry_points
from pathoai.cli.audited import audited
from pathoai.cli.command import Command, add_action
from pathoai.errors import MissingDependencyError, PathoaiError, PreemptedError
from pathoai.extras import missing_dependency

GROUP = "pathoai.commands"
_FAILURE, _USAGE, _BUG, _AGAIN, _INTERRUPTED, _UNREAD = 1, 2, 70, 75, 130, 141
_REMEDY = "make room or choose another place"
_READ_ONLY = "choose another place, or make this one writable"
# What a disk says that is full, or a place that cannot hold what it should; all else is our bug.
_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this place may not be written to or read",
    errno.EPERM: "this place may not be written to",
    errno.EIO: "the disk failed",
    errno.ENOENT: "no file or folder can be made or found here",
    errno.ENOTDIR: "a file lies where a folder should be",
    errno.EISDIR: "a folder lies where a file should be",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "files may not grow that large here",
}

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after ``pathoai``; those of this process where not given.

    Returns:
        The exit code: 0, or 1 for an error the user can act on, 70 for a bug, 75 where a scheduler
        wanted the machine and the same command goes on, 130 for Ctrl-C, 141 where whoever read
        what it prints (``head``, a pager) went away.
    """
    try:
        try:
            return _exit_code(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written has nowhere to go, and Python shall not try it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD


def _exit_code(arguments: Sequence[str] | None) -> int:
    """Run one command, its errors told in a line.

    Raises:
        BrokenPipeError: Nobody reads any more what it prints.
    """
    # OpenMP's threads otherwise spin while they wait, which on a shared machine makes training
    # several times slower; it is read once, when torch is first loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        run_words(sys.argv[1:] if arguments is None else arguments)
    except PreemptedError as error:
        print(f"pathoai: {error}", file=sys.stderr)
        return _AGAIN
    except PathoaiError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        missing = missing_dependency(error)
        return _report_bug(error) if missing is None else _fail(str(missing))
    except KeyboardInterrupt:
        print("pathoai: stopped; finished work is kept, the same command goes on", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not _is_read():
            raise
        if error.errno in _STORAGE:
            where = "" if error.filename is None else f" ({Path(str(error.filename)).name})"
            remedy = _READ_ONLY if error.errno in _NOT_WRITABLE else _REMEDY
            return _fail(f"{_STORAGE[error.errno]}{where}. Remedy: {remedy}")
        return _report_bug(error)
    except Exception as error:  # noqa: BLE001 - the last resort, reported as the bug it is
        return _report_bug(error)
    return 0


def _is_read() -> bool:
    """False where nobody takes what is printed."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return False
    return True


def run_words(words: Sequence[str]) -> None:
    """Run the command that the words name.

    Raises:
        PathoaiError: As the command does.
    """
    options = _parse(list(words))
    command: Command = options.command
    with audited(options, _command_words(command, options.actions, words)):
        command.run(options)


def _command_words(command: Command, actions: frozenset[str], words: Sequence[str]) -> str:
    """The command's words without its arguments, which may name a person or a place."""
    action = next((word for word in words[1:2] if word in actions), "")
    return f"{command.name} {action}".rstrip()


def _fail(message: str) -> int:
    print(f"pathoai: error: {message}", file=sys.stderr)
    return _FAILURE


def _report_bug(error: BaseException) -> int:
    if os.environ.get("PATHOAI_DEBUG"):
        traceback.print_exception(error)
    what = " ".join(str(error).split())
    print(
        f"pathoai: a bug in pathoai: {type(error).__name__}: {what}. Remedy: run it again with "
        "PATHOAI_DEBUG=1 and report what it prints (check it for names first)",
        file=sys.stderr,
    )
    return _BUG


def _parse(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(
        prog="pathoai",
        description="Whole-slide AI for pathologists and researchers.",
        epilog="example: pathoai demo --out demo",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pathoai {__version__}")
    words = parser.add_subparsers(metavar="COMMAND", required=True)
    names = entry_points.names_in(GROUP)
    # Of the named command alone: to load and describe all takes longer than many a command.
    for name in [name for name in names if name in arguments[:1]] or names:
        _add(words, name)
    return parser.parse_args(arguments)


def _add(words: object, name: str) -> None:
    try:
        command: Command = entry_points.load(GROUP, name)
    except MissingDependencyError as error:
        command = _unavailable(name, error)
    parser = add_action(words, command.name, command.summary, command.example)
    command.configure(parser)
    parser.set_defaults(command=command, actions=_actions(parser))


def _actions(parser: ArgumentParser) -> frozenset[str]:
    # argparse keeps the only list of them private.
    branches = (a for a in parser._actions if isinstance(a, _SubParsersAction))
    return frozenset(word for branch in branches for word in branch.choices)


def _unavailable(name: str, error: MissingDependencyError) -> Command:
    def fail(options: Namespace) -> None:
        raise error

    return Command(name, f"not installed: {error.found}", f"pathoai {name}", lambda _: None, fail)
