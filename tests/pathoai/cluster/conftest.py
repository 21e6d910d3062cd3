"""One cluster of two processes for all tests of clusters: processes take long to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster

from pathoai.cluster.connect import ClusterChoice, connected


@pytest.fixture(scope="session")
def cluster() -> Iterator[Client]:
    """A client of a local cluster of two workers, of which a test may have killed some."""
    with connected(ClusterChoice("dask", workers=2)) as client:
        yield client


@pytest.fixture
def client(cluster: Client) -> Client:
    """The same, with both workers alive."""
    cluster.wait_for_workers(2)
    return cluster


@pytest.fixture(scope="session")
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
