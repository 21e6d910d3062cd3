"""Work in a process of its own: its result, its errors, its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pathoai.cluster.own_process import in_own_process
from pathoai.errors import ClusterError, StoreError


def _process_and(number: int) -> tuple[int, int]:
    return os.getpid(), number


def _fails() -> None:
    raise StoreError("a shard is missing", where="S1", found="nothing", remedy="make it again")


def _dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_another_process_does_it() -> None:
    process, number = in_own_process(_process_and, number=3)
    assert process != os.getpid()
    assert number == 3


def test_what_a_user_can_act_on_is_raised_here() -> None:
    with pytest.raises(StoreError) as caught:
        in_own_process(_fails)
    assert str(caught.value) == str(
        StoreError("a shard is missing", where="S1", found="nothing", remedy="make it again")
    )


def _waits(folder: Path) -> None:
    (folder / "begun").write_text(str(os.getpid()))
    while not (folder / "go on").exists():
        time.sleep(0.02)


_ASKS = """
import sys
from pathlib import Path
from pathoai.cluster.own_process import in_own_process
from tests.pathoai.cluster.test_own_process import _waits

if __name__ == "__main__":
    in_own_process(_waits, Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_it_ends_though_who_asked_was_killed(tmp_path: Path) -> None:
    script, root = tmp_path / "asks.py", Path(__file__).parents[3]
    script.write_text(_ASKS)
    asking = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": str(root)}
    )
    process = int(_once(lambda: (tmp_path / "begun").read_text()))
    asking.kill()
    asking.wait()
    assert _is_there(process)
    (tmp_path / "go on").touch()
    assert _once(lambda: "" if _is_there(process) else "gone")


def _once(told: Callable[[], str]) -> str:
    for _ in range(6000):
        with suppress(FileNotFoundError):
            if found := told():
                return found
        time.sleep(0.02)
    raise TimeoutError


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Whoever adopted it may not have looked yet.
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_killed_process_is_told() -> None:
    with pytest.raises(ClusterError, match="ended before its work was done"):
        in_own_process(_dies)
