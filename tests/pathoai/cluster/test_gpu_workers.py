"""GPUs dealt to workers: tested on machines that have none."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from distributed import get_worker

from pathoai.cluster import connect
from pathoai.cluster.connect import ClusterChoice, connected
from pathoai.cluster.gpu_workers import (
    GPU,
    admits_several,
    device_options,
    job_options,
    processes_on,
    processes_sharing,
    visible_devices,
)
from pathoai.cluster.run_on_workers import run_on_workers
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.progress import Advance


def test_devices_are_those_that_this_process_may_use() -> None:
    assert visible_devices(0, None) == ()
    assert visible_devices(3, None) == ("0", "1", "2")
    assert visible_devices(2, "5, GPU-8e1a") == ("5", "GPU-8e1a")
    assert visible_devices(0, "") == ()
    # CUDA stops at the first that is not there.
    assert visible_devices(1, "1,7") == ("1",)


def test_each_worker_sees_one_device_and_declares_it() -> None:
    assert device_options(0, ()) == {}
    dealt = [device_options(worker, ("4", "6")) for worker in range(3)]
    assert [one["env"]["CUDA_VISIBLE_DEVICES"] for one in dealt] == ["4", "6", "4"]
    assert all(one["resources"] == {GPU: 1} for one in dealt)


def test_a_job_asks_for_a_gpu_where_the_work_wants_one() -> None:
    declared = ["--resources GPU=1"]
    assert job_options("cpu", ["--gres=gpu:1"], []) == {}
    assert job_options("auto", [], []) == {}
    assert job_options("auto", ["--gres=gpu:a100:1"], []) == {"worker_extra_args": declared}
    assert job_options("cuda", ["--gpus-per-node=1"], ["--resources GPU=2"]) == {}
    assert job_options("cuda:0", ["--mem=0"], ["--nice"]) == {
        "job_extra_directives": ["--mem=0", "--gres=gpu:1"],
        "worker_extra_args": ["--nice", *declared],
    }


def test_a_gpu_is_shared_by_as_many_as_it_has_room_for() -> None:
    gib = 1 << 30
    assert processes_sharing(79 * gib, threads=16, batch_size=8) == 8
    assert processes_sharing(79 * gib, threads=128, batch_size=8) == 8
    assert processes_sharing(79 * gib, threads=16, batch_size=32) == 6
    assert processes_sharing(23 * gib, threads=16, batch_size=8) == 3
    assert processes_sharing(79 * gib, threads=4, batch_size=8) == 2
    assert processes_sharing(6 * gib, threads=16, batch_size=8) == 1
    assert processes_sharing(79 * gib, threads=1, batch_size=8) == 1


def test_a_cpu_is_shared_by_threads() -> None:
    assert processes_on(torch.device("cpu"), threads=16, batch_size=8) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a script of a POSIX shell")
@pytest.mark.parametrize(
    ("said", "admits"),
    [("Default\nDefault", True), ("Default\nExclusive_Process", False), ("[N/A]", True)],
)
def test_a_gpu_that_admits_one_process_is_left_to_one(
    said: str, admits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{said}\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert admits_several() is admits


def test_where_nothing_says_how_many_it_admits_it_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert admits_several()


def _seen(_: object, threads: int | None, advance: Advance) -> Done:
    return Done(f"{os.environ['CUDA_VISIBLE_DEVICES']} {get_worker().state.total_resources}")


def test_local_workers_really_have_their_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "devices_here", lambda: ("3", "5"))
    items = [WorkItem(f"S{number}", _seen) for number in range(6)]
    with connected(ClusterChoice("dask", 2, device="auto")) as client:
        client.wait_for_workers(2)
        found = Counter(o.text for o in run_on_workers(client, items, resource=GPU))
    assert set(found) == {"3 {'GPU': 1}", "5 {'GPU': 1}"}
