"""Two runs on one store: the second is told who holds it; the dead hold nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.errors import StoreError
from pathoai.store.store_lock import locked

_HOLDER = """
import sys, time
from pathlib import Path
from pathoai.store.store_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stores" / "CODE.zarr"


def test_the_second_is_told_who_holds_the_store(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=rf"CODE.*process {first.pid} on .*since 20.*Remedy"),
            locked(path),
        ):
            pytest.fail("two runs hold one store")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with locked(path):
            """What a killed run held is free."""


def test_a_store_may_be_held_again_and_again(path: Path) -> None:
    for _ in range(3):
        with locked(path):
            assert not path.exists()
    assert not list(path.parent.glob("*.holder"))
    assert [f.name for f in path.parent.iterdir()] == [".CODE.zarr.lock"]


def test_an_error_inside_frees_the_store(path: Path) -> None:
    with pytest.raises(KeyError), locked(path):
        raise KeyError("passes through")
    with locked(path):
        assert path.parent.exists()


def test_different_stores_are_independent(path: Path) -> None:
    with locked(path), locked(path.with_name("OTHER.zarr")):
        assert path.parent.exists()
