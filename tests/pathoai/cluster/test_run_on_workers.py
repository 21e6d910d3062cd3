"""Items on real worker processes, which are really killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from distributed import Client, SpecCluster, Worker, get_worker
from distributed.scheduler import Scheduler

from pathoai.cluster.run_on_workers import run_on_workers
from pathoai.cluster.work_item import Done, Outcome, Status, WorkItem
from pathoai.errors import ClusterError, DamagedSlideError, StorageError
from pathoai.progress import Advance
from tests.pathoai.cluster import errands


def _run(client: Client, items: list[WorkItem], *, retries: int = 2) -> dict[str, Outcome]:
    outcomes = list(run_on_workers(client, items, retries=retries))
    assert Counter(o.name for o in outcomes) == Counter(i.name for i in items)
    return {outcome.name: outcome for outcome in outcomes}


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_item_is_done_once_by_one_of_two_processes(client: Client, tmp_path: Path) -> None:
    names = [f"S{number}" for number in range(7)]
    found = _run(client, errands.items(tmp_path, **dict.fromkeys(names, errands.work)))
    assert {o.status for o in found.values()} == {Status.DONE}
    processes = [errands.begun(tmp_path / name) for name in names]
    assert all(len(each) == 1 for each in processes)
    assert len({process for (process,) in processes}) == 2


def test_threads_inside_the_item_are_those_of_the_worker(client: Client, tmp_path: Path) -> None:
    (worker, *_) = client.scheduler_info()["workers"].values()
    found = _run(client, errands.items(tmp_path, A=errands.work))
    assert found["A"].text == f"{worker['nthreads']} threads"


def test_a_bad_slide_is_reported_as_it_would_be_here(client: Client, tmp_path: Path) -> None:
    items = errands.items(tmp_path, A=errands.be_damaged, B=errands.work, C=errands.be_complete)
    found = _run(client, items)
    error = found["A"].error
    assert isinstance(error, DamagedSlideError)
    assert str(error) == "A: the file is truncated; found 3. Remedy: copy it again"
    assert len(errands.begun(tmp_path / "A")) == 1
    assert (found["B"].status, found["C"].status) == (Status.DONE, Status.SKIPPED)


def test_a_passing_failure_is_tried_again(client: Client, tmp_path: Path) -> None:
    items = errands.items(tmp_path, A=errands.lose_the_disk_once, B=errands.lose_storage_always)
    found = _run(client, items, retries=1)
    assert found["A"].status is Status.DONE
    assert isinstance(found["B"].error, StorageError)
    assert len(errands.begun(tmp_path / "B")) == 2


def test_a_killed_worker_loses_nothing(client: Client, tmp_path: Path) -> None:
    found = _run(client, errands.items(tmp_path, A=errands.die_once, B=errands.work))
    assert {o.status for o in found.values()} == {Status.DONE}
    first, second = errands.begun(tmp_path / "A")
    assert first != second


def test_an_item_that_kills_every_worker_is_isolated(client: Client, tmp_path: Path) -> None:
    innocent = {f"S{number}": errands.work for number in range(6)}
    found = _run(client, errands.items(tmp_path, A=errands.die, **innocent))
    assert isinstance(found["A"].error, ClusterError)
    assert found["A"].text == "its worker died 3 times"
    assert len(set(errands.begun(tmp_path / "A"))) == 3
    for name in innocent:
        assert found[name].status is Status.DONE
        assert len(errands.begun(tmp_path / name)) == 1


def test_without_retries_one_death_is_enough(client: Client, tmp_path: Path) -> None:
    found = _run(client, errands.items(tmp_path, A=errands.die), retries=0)
    assert found["A"].text == "its worker died once"


def test_a_bug_fails_one_item_and_its_text_stays_where_it_is(
    client: Client, tmp_path: Path
) -> None:
    found = _run(client, errands.items(tmp_path, A=errands.be_wrong, B=errands.work))
    assert found["A"].text == "an unexpected error on the worker (RuntimeError)"
    assert "PATHOAI_DEBUG" in str(found["A"].error)
    assert found["B"].status is Status.DONE
    assert "DUPONT" not in str(found["A"].error)


def test_work_stops_where_nobody_waits_for_it_any_more(client: Client, tmp_path: Path) -> None:
    outcomes = run_on_workers(
        client, errands.items(tmp_path, A=errands.work, B=errands.go_on_and_on)
    )
    assert next(outcomes).name == "A"
    _wait_until(lambda: bool(errands.begun(tmp_path / "B")))
    outcomes.close()
    _wait_until((tmp_path / "B.stopped").exists)
    assert _run(client, errands.items(tmp_path, C=errands.work))["C"].status is Status.DONE


# Without a port of its own a scheduler takes Dask's usual one, which another test's may hold.
_LOCAL = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}


def _worker_of(_: object, threads: int | None, advance: Advance) -> Done:
    return Done(str(get_worker().name))


def test_items_go_to_the_workers_with_a_gpu_where_there_are_some() -> None:
    workers = {
        "cpu": {"cls": Worker, "options": {"host": "127.0.0.1", "nthreads": 1}},
        "gpu": {
            "cls": Worker,
            "options": {"host": "127.0.0.1", "nthreads": 1, "resources": {"GPU": 1}},
        },
    }
    items = [WorkItem(f"S{number}", _worker_of) for number in range(4)]
    scheduler = {"cls": Scheduler, "options": _LOCAL}
    with (
        SpecCluster(workers, scheduler) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        with_gpu = list(run_on_workers(client, items, resource="GPU"))
        anywhere = list(run_on_workers(client, items, resource="TPU"))
    assert {o.text for o in with_gpu} == {"gpu"}
    assert {o.text for o in anywhere} == {"cpu", "gpu"}


def test_a_cluster_without_workers_is_not_waited_for_for_ever() -> None:
    scheduler = {"cls": Scheduler, "options": _LOCAL}
    with SpecCluster({}, scheduler) as cluster, Client(cluster, set_as_default=False) as client:
        outcomes = run_on_workers(client, [WorkItem("A", _worker_of)], patience_s=0)
        with pytest.raises(ClusterError, match="no workers"):
            next(outcomes)
