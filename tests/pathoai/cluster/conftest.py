"""One cluster of two processes for all tests of a file: processes take long to start.

Not for all files: each worker that waits takes a twentieth of a core until all tests are done.
"""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context

import dask
import pytest
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context

from pathoai.cluster.connect import ClusterChoice, connected

_LOADED_ONCE = (
    "distributed",
    "torch",
    "torch._dynamo",  # of this and the next, models are written as ONNX
    "onnxscript",
    "onnxruntime",
    "pathoai.cli.commands.tile",
    "pathoai.cli.predict_pixels",
    "pathoai.inference.find_objects",
    "pathoai.inference.slide_report",
    "pathoai.models.load_runnable",
    "pathoai.preprocess.tile_slide",
    "pathoai.slide.openslide_reader",
)


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Dask forks workers from a process that has loaded what they need: many are killed here.

    Programs that tests start have none of this: their workers begin as those of users do.
    """
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # names modules of its own, the first time
        get_context("forkserver").set_forkserver_preload([*_LOADED_ONCE])
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """A client of a local cluster of two workers, of which a test may have killed some."""
    with connected(ClusterChoice("dask", workers=2)) as client:
        yield client


@pytest.fixture
def client(cluster: Client) -> Client:
    """The same, with both workers alive."""
    cluster.wait_for_workers(2)
    return cluster


@pytest.fixture(scope="module")
def foreign_cluster() -> Iterator[LocalCluster]:
    """A scheduler that somebody else started, without keys, and its two workers."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


@pytest.fixture
def address(foreign_cluster: LocalCluster) -> str:
    """Where that cluster can be joined."""
    return str(foreign_cluster.scheduler_address)
