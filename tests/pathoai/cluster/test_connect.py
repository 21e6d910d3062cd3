"""Which cluster, and that it ends with the run that made it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client

from pathoai import __version__
from pathoai.cluster import connect
from pathoai.cluster.connect import ClusterChoice, connected
from pathoai.cluster.run_on_workers import run_on_workers
from pathoai.errors import ClusterError, InvalidValueError
from tests.pathoai.cluster import errands


@pytest.mark.parametrize(
    "where", ["", "local", "dask:", "dask://", "dask://host", "http://host:80", "tcp://h:1 x"]
)
def test_what_names_no_cluster_is_refused(where: str) -> None:
    with pytest.raises(InvalidValueError, match="allowed: dask, slurm, dask://HOST:PORT"):
        ClusterChoice(where)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="1 or more"):
        ClusterChoice("dask", workers=0)
    with pytest.raises(InvalidValueError, match="--cluster slurm"):
        ClusterChoice("dask", config=Path("slurm.yaml"))


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_CONNECT_S", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(ClusterError, match=f"no scheduler answers; found {address}"),
        connected(ClusterChoice(address)),
    ):
        pass


def test_a_cluster_that_was_joined_goes_on(client: Client, address: str, tmp_path: Path) -> None:
    for name in ("A", "B"):
        with connected(ClusterChoice(address.replace("tcp:", "dask:"))) as joined:
            (outcome,) = run_on_workers(joined, errands.items(tmp_path, **{name: errands.work}))
        assert outcome.name == name
    assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2


def test_workers_with_another_version_are_refused(
    client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "__version__", "99.0")
    with (
        pytest.raises(ClusterError, match=f"another pathoai; found {__version__}; allowed: 99.0"),
        connected(ClusterChoice(address)),
    ):
        pass


def _environment() -> dict[str, str]:
    """That of this process, but so that the tests' modules can be imported, and quiet."""
    quiet = {name: value for name, value in os.environ.items() if name != "PATHOAI_DEBUG"}
    return quiet | {"PYTHONPATH": os.pathsep.join(sys.path)}


_PROGRAM = """
import sys
from pathlib import Path
from pathoai.cluster.connect import ClusterChoice, connected
from pathoai.cluster.run_on_workers import run_on_workers
from tests.pathoai.cluster import errands

with connected(ClusterChoice("dask", workers=1)) as client:
    items = errands.items(Path(sys.argv[1]), A=errands.die_once, B=errands.be_wrong)
    for outcome in run_on_workers(client, items):
        print(outcome.name, outcome.status)
"""


def test_the_machinery_is_silent_when_workers_die_and_work_fails(tmp_path: Path) -> None:
    """A program of its own: what workers print does not pass through pytest."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=_environment(),
    )
    assert sorted(done.stdout.splitlines()) == ["A done", "B failed"]
    assert not done.stderr


@pytest.fixture
def own_scheduler() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A scheduler in a process of its own, with one worker, and its address."""
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    local = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    with subprocess.Popen([*program, *local], stderr=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stderr is not None
        lines = iter(scheduler.stderr.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"tcp://\S+", line)))
        program = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard"]
        with subprocess.Popen(
            [*program, "--nthreads", "1"], stderr=subprocess.DEVNULL, env=_environment()
        ) as worker:
            yield scheduler, address
            worker.terminate()
        scheduler.kill()


def test_a_scheduler_that_is_lost_ends_the_run_with_one_clear_error(
    own_scheduler: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    scheduler, address = own_scheduler
    items = errands.items(tmp_path, A=errands.work, B=errands.go_on_and_on)
    with connected(ClusterChoice(address)) as client:
        outcomes = run_on_workers(client, items)
        assert next(outcomes).name == "A"
        scheduler.kill()
        with pytest.raises(ClusterError, match=r"scheduler was lost.*the same command again"):
            next(outcomes)


def test_a_worker_that_takes_too_long_to_come_back_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dask gives up a worker that is not back in time; on a busy machine all would be lost."""
    monkeypatch.setattr(connect, "_COUNT_WORKERS_S", 0.2)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}),
        connected(ClusterChoice("dask", workers=1)) as client,
    ):
        (outcome,) = run_on_workers(client, errands.items(tmp_path, A=errands.die_once))
    assert outcome.text == "second time lucky"
    assert len(set(errands.begun(tmp_path / "A"))) == 2
