"""Each tampering or omission is found, and has a message of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.mutations import MUTATIONS


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found_by_its_own_name(package: Path, name: str) -> None:
    mutate, message = MUTATIONS[name]
    assert verify_package(package).ok
    mutate(package)
    found = [finding.what for finding in verify_package(package).findings]
    assert any(what.startswith(message) for what in found), found


def test_there_are_enough_and_no_two_are_told_alike() -> None:
    messages = [message for _, message in MUTATIONS.values()]
    assert len(set(messages)) == len(messages) >= 25
