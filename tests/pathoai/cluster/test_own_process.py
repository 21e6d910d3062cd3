"""Items in processes of this machine: each ends or fails alone, and no process outlives the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pathoai.cli.each_slide import Execution, run_items
from pathoai.cluster import own_process
from pathoai.cluster.own_process import OwnProcesses
from pathoai.cluster.work_item import Outcome, Status
from pathoai.errors import CohortError
from pathoai.progress import silent
from tests.pathoai.cluster import errands
from tests.pathoai.cluster.errands import begun, items

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")


def _settled(folder: Path, retries: int = 2, **functions: object) -> list[Outcome]:
    """How items end, one after the other."""
    with OwnProcesses(retries, threads=3) as processes:
        return [processes.settle(item, silent) for item in items(folder, **functions)]


def test_one_process_does_one_after_the_other_and_knows_its_threads(tmp_path: Path) -> None:
    first, second = _settled(tmp_path, a=errands.work, b=errands.be_complete)
    assert (first.status, first.text) == (Status.DONE, "3 threads")
    assert (second.status, second.text) == (Status.SKIPPED, "as it was")
    assert begun(tmp_path / "a") == begun(tmp_path / "b") != [os.getpid()]


def test_threads_that_ask_at_once_have_processes_of_their_own(tmp_path: Path) -> None:
    both = items(tmp_path, a=errands.work, b=errands.work)
    with OwnProcesses(0, threads=1) as processes, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda item: processes.settle(item, silent), both))
    assert begun(tmp_path / "a") != begun(tmp_path / "b")


def test_a_killed_process_is_replaced_and_what_kills_it_always_is_told(tmp_path: Path) -> None:
    once, always, after = _settled(
        tmp_path, retries=1, once=errands.die_once, always=errands.die, after=errands.work
    )
    assert once.text == "second time lucky"
    assert (always.status, always.text) == (Status.FAILED, "its worker died 2 times")
    assert after.status is Status.DONE
    assert len(set(begun(tmp_path / "once"))) == len(set(begun(tmp_path / "always"))) == 2


def test_failures_are_told_without_the_words_of_a_bug(tmp_path: Path) -> None:
    bad, wrong, after = _settled(
        tmp_path, bad=errands.be_damaged, wrong=errands.be_wrong, after=errands.work
    )
    assert str(bad.error) == "A: the file is truncated; found 3. Remedy: copy it again"
    assert wrong.text == "an unexpected error on the worker (RuntimeError)"
    assert "DUPONT" not in str(wrong.error)
    assert after.status is Status.DONE
    assert begun(tmp_path / "after") == begun(tmp_path / "bad")


def test_a_cohort_goes_on_past_a_slide_that_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = items(tmp_path, a=errands.work, b=errands.die, c=errands.work, d=errands.die_once)
    with pytest.raises(CohortError, match="1 of 4 slides failed"):
        run_items(
            {item.name: (lambda item=item: item) for item in work},  # type: ignore[misc]  # mypy: defaults of lambdas
            "testing",
            Execution(retries=1, threads=6, lanes=2, in_processes=True),
        )
    printed = capsys.readouterr()
    assert {"a: 3 threads", "c: 3 threads", "d: second time lucky"} <= {*printed.out.splitlines()}
    assert "b: its worker died 2 times" in printed.err


def test_who_is_told_of_progress_can_stop_it(tmp_path: Path) -> None:
    log = tmp_path / "a"
    (item,) = items(tmp_path, a=errands.go_on_and_on)

    def stop(done: int, total: int) -> None:
        if done:
            assert total == 600
            raise CancelledError

    with OwnProcesses(0, threads=1) as processes, pytest.raises(CancelledError):
        processes.settle(item, stop)
    (process,) = begun(log)
    assert not _is_there(process)
    assert log.with_suffix(".stopped").exists()  # in order


def test_one_that_does_not_hear_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "_END_S", 0.1)
    (item,) = items(tmp_path, a=errands.be_deaf)

    def stop(done: int, total: int) -> None:
        if begun(tmp_path / "a"):
            raise CancelledError

    with OwnProcesses(0, threads=1) as processes, pytest.raises(CancelledError):
        processes.settle(item, stop)
    (process,) = begun(tmp_path / "a")
    assert not _is_there(process)


_ASKS = """
import sys
from pathlib import Path
from pathoai.cluster.own_process import OwnProcesses
from pathoai.progress import silent
from tests.pathoai.cluster import errands

if __name__ == "__main__":
    (item,) = errands.items(Path(sys.argv[1]), a=errands.go_on_and_on)
    with OwnProcesses(0, 1) as processes:
        processes.settle(item, silent)
"""


def test_it_ends_with_who_asked_though_that_one_was_killed(tmp_path: Path) -> None:
    script, root = tmp_path / "asks.py", Path(__file__).parents[3]
    script.write_text(_ASKS)
    asking = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": str(root)}
    )
    (process,) = _once(lambda: begun(tmp_path / "a"))
    assert _is_there(process)
    asking.kill()
    asking.wait()
    _once(lambda: [] if _is_there(process) else [process])


def _once(told: Callable[[], list[int]]) -> list[int]:
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
