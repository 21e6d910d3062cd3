"""Tombstones: whoever has a code can ask, and the table tells nothing to anybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.errors import StudyError
from pathoai.privacy.tombstones import Reason, TombstoneKind, Tombstones

_SLIDE, _PATIENT = "A" * 16, "B" * 16


def test_who_left_is_known_by_the_code_alone(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.csv"
    made = Tombstones.read(path).added([_SLIDE], TombstoneKind.SLIDE, Reason.ERASURE)
    made.added([_PATIENT, _SLIDE], TombstoneKind.PATIENT, Reason.OPPOSITION).write(path)
    read = Tombstones.read(path)
    assert [stone.kind for stone in read] == ["slide", "patient"]
    assert read.holds(_SLIDE)
    assert read.holds(_PATIENT)
    assert not read.holds("C" * 16)
    assert not read.holds("")
    assert _SLIDE not in path.read_text()
    assert _PATIENT not in path.read_text()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "sha256,kind\n",
        f"sha256,kind,day,reason\n{_SLIDE},slide,2026-01-01,erasure\n",
        f"sha256,kind,day,reason\n{'0' * 64},person,2026-01-01,erasure\n",
        f"sha256,kind,day,reason\n{'0' * 64},slide,yesterday,erasure\n",
        f"sha256,kind,day,reason\n{'0' * 64},slide\n",
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tombstones.csv"
    path.write_text(content)
    with pytest.raises(StudyError, match=r"tombstones.*Remedy"):
        Tombstones.read(path)
