"""Work in a process of its own: its result, its errors, its death."""

from __future__ import annotations

import os
import signal

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


def test_a_killed_process_is_told() -> None:
    with pytest.raises(ClusterError, match="ended before its work was done"):
        in_own_process(_dies)
