"""Whoever reads what the program prints may go away, as `| head` and a pager do."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace

import pytest

from pathoai.cli.command import Command
from pathoai.cli.main import main

_PROGRAM = [sys.executable, "-m", "pathoai"]


@pytest.mark.parametrize(("words", "unbuffered"), [("--help", ""), ("doctor", ""), ("doctor", "1")])
def test_the_program_ends_quietly(words: str, unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            [*_PROGRAM, words],
            check=False,
            stdout=nobody,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_error_is_still_told() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            [*_PROGRAM, "info", "absent.svs"], check=False, stdout=nobody, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert b"no such file" in done.stderr


def test_another_broken_pipe_is_not_taken_for_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(options: Namespace) -> None:
        raise BrokenPipeError(32, "a server went away")

    command = Command("info", "one that fails", "pathoai info", _nothing, lose)
    monkeypatch.setattr("pathoai.cli.commands.info.COMMAND", command)
    assert main(["info"]) == 70
    assert "a server went away" in capsys.readouterr().err


def _nothing(parser: ArgumentParser) -> None:
    """No options."""
