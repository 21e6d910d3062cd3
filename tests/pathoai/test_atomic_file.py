"""A file is the old or the new version, whatever happens in between."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.atomic_file import (
    remove_partial_writes_of,
    write_bytes_atomically,
    write_text_atomically,
)

_PROGRAM = """
import sys
from pathlib import Path
from pathoai.atomic_file import write_bytes_atomically
write_bytes_atomically(Path(sys.argv[1]), b"new" * 100_000)
"""
_KILLED = "import os, signal; os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)" + _PROGRAM


def test_the_new_version_replaces_the_old_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomically(path, "old é")
    write_text_atomically(path, "new é", mode=0o600)
    assert path.read_text("utf8") == "new é"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_leaves_the_old_version_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"):
        write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_old_version_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)],
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.returncode == 1
    assert b"File too large" in done.stderr
    assert path.read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]


def test_a_process_killed_while_writing_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (partial,) = set(tmp_path.iterdir()) - {path}
    assert partial.name.startswith(".a.")
    of_another = tmp_path / ".ab.0f.partial"
    of_another.touch()
    remove_partial_writes_of(path)
    assert set(tmp_path.iterdir()) == {path, of_another}
    write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"new"
