"""A cluster that has as many workers as were asked for, however many are lost on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # dask is heavy, and an extra
    from distributed import SpecCluster
    from tornado.ioloop import PeriodicCallback


def keep_workers(
    cluster: SpecCluster, ask: Callable[[], object], settle: Callable[[], Awaitable[None]], s: float
) -> None:
    """Ask for workers, and again every so many seconds: dask gives up those that do not come back.

    A local worker that was killed is one of them where the machine is so busy that it takes longer
    than ``distributed.deploy.lost-worker-timeout`` (15 s) to start again.

    Args:
        cluster: Which.
        ask: Tells it how many workers there should be.
        settle: What is awaited after each time but the first.
        s: Seconds between.
    """
    from tornado.ioloop import PeriodicCallback

    async def again() -> None:
        ask()
        await settle()

    ask()
    callback = PeriodicCallback(again, s * 1000)
    cluster.periodic_callbacks["pathoai-workers"] = callback  # the cluster stops it when it closes
    cluster.sync(_start, callback)


async def _start(callback: PeriodicCallback) -> None:
    callback.start()
