"""Errors keep their parts, also between processes."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

from pathoai import errors
from pathoai.errors import NoTissueError, PathoaiError

_TREE = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, PathoaiError)
]


@pytest.mark.parametrize("kind", _TREE)
def test_an_error_arrives_in_another_process_as_it_was(kind: type[PathoaiError]) -> None:
    sent = kind("over\ntwo lines", where="S1", found=3, allowed="1 or 2", remedy="take 2")
    for arrived in (pickle.loads(pickle.dumps(sent)), copy.copy(sent)):
        assert type(arrived) is kind
        assert (
            str(arrived)
            == str(sent)
            == "S1: over two lines; found 3; allowed: 1 or 2. Remedy: take 2"
        )
        assert (arrived.what, arrived.where, arrived.remedy) == (sent.what, "S1", "take 2")
    bare = pickle.loads(pickle.dumps(kind("what")))
    assert (str(bare), bare.where, bare.found) == ("what", None, None)


def test_a_part_that_cannot_travel_goes_as_text() -> None:
    lock = threading.Lock()
    arrived = pickle.loads(pickle.dumps(PathoaiError("what", found=lock)))
    assert arrived.found == str(lock)


def test_what_an_error_carries_besides_its_parts_travels_too() -> None:
    sent = NoTissueError("no tissue")
    sent.add_note("seen at 8 µm")
    assert pickle.loads(pickle.dumps(sent)).__notes__ == ["seen at 8 µm"]
