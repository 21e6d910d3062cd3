"""Help of every command, and the cost of asking for it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator

import pytest

from pathoai import __version__, entry_points
from pathoai.cli.command import Command, add_action
from pathoai.cli.main import GROUP

_COMMANDS = entry_points.names_in(GROUP)
_HEAVY = (
    "torch",
    "zarr",
    "napari",
    "qtpy",
    "PySide6",
    "PyQt6",
    "openslide",
    "pytorch_lightning",
    "distributed",
)


def _python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True
    )


_MAIN = "from pathoai.cli.main import main; raise SystemExit(main())"


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_of_every_command_has_an_example(name: str) -> None:
    done = _python(_MAIN, name, "--help")
    assert done.returncode == 0
    assert not done.stderr
    assert f"usage: pathoai {name}" in done.stdout
    assert f"example:\n  pathoai {name}" in done.stdout
    assert "not installed" not in done.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_word_has_an_example_that_the_program_understands(name: str) -> None:
    parser = ArgumentParser(prog="pathoai")
    command: Command = entry_points.load(GROUP, name)
    words = parser.add_subparsers()
    command.configure(add_action(words, name, command.summary, command.example))
    for word in _words_below(words.choices[name]):
        assert word.description
        assert word.epilog is not None
        for line in word.epilog.splitlines()[1:]:
            program, *rest = shlex.split(line, comments=True)
            assert (program, line.split()[: len(word.prog.split())]) == (
                "pathoai",
                word.prog.split(),
            )
            parser.parse_args(rest)


def _words_below(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """The parser of a command and of each of its actions."""
    yield parser
    # argparse keeps the only list of them private.
    for branch in (a for a in parser._actions if isinstance(a, _SubParsersAction)):
        for action in branch.choices.values():
            yield from _words_below(action)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_is_registered_under_its_own_name(name: str) -> None:
    command = entry_points.load(GROUP, name)
    assert isinstance(command, Command)
    assert command.name == name
    assert "\n" not in command.summary


def test_help_lists_every_command() -> None:
    done = _python(_MAIN, "--help")
    assert done.returncode == 0
    for name in _COMMANDS:
        assert re.search(rf"^ +{name}\b", done.stdout, re.MULTILINE)
    assert _python(_MAIN, "--version").stdout == f"pathoai {__version__}\n"


_REPORT = """
import json, sys
print(json.dumps(list(sys.modules)), file=sys.stderr)
"""
_HELP = """
from pathoai.cli.main import main
try:
    main({words!r})
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    "program",
    ["import pathoai", _HELP.format(words=["--help"]), _HELP.format(words=["tile", "--help"])],
)
def test_asking_for_help_loads_nothing_heavy(program: str) -> None:
    done = _python(program + _REPORT)
    assert done.returncode == 0
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "pathoai" in loaded
    assert not loaded.intersection(_HEAVY)


def test_a_command_loads_no_other() -> None:
    done = _python(_HELP.format(words=["tile", "--help"]) + _REPORT)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    modules = {entry_points.load(GROUP, name).configure.__module__ for name in _COMMANDS}
    own = entry_points.load(GROUP, "tile").configure.__module__
    assert loaded & modules == {own}


def test_importing_pathoai_loads_pathoai_alone() -> None:
    program = "import sys; before = set(sys.modules); import pathoai"
    done = _python(program + "; print(sorted(set(sys.modules) - before))")
    assert done.stdout == "['pathoai']\n"
