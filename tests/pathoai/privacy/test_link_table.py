"""The link table: where slides lie, for its owner's eyes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, StudyError
from pathoai.privacy.link_table import LinkTable


def test_slides_are_found_until_they_move_or_are_forgotten(tmp_path: Path) -> None:
    slide = tmp_path / "slide.svs"
    slide.touch()
    table = LinkTable(tmp_path / "vault")
    table.update({"A": slide, "B": slide})
    assert LinkTable(tmp_path / "vault").path_of("A") == slide
    table.forget("A")
    table.forget("never there")
    with pytest.raises(MissingFileError, match=r"A.*pathoai add"):
        table.path_of("A")
    assert table.path_of("B") == slide
    slide.rename(tmp_path / "moved.svs")
    with pytest.raises(MissingFileError, match=r"B.*pathoai add"):
        table.path_of("B")


def test_the_table_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    table = LinkTable(tmp_path / "vault")
    table.update({"A": tmp_path})
    table.update({"B": tmp_path})
    assert stat.S_IMODE((tmp_path / "vault" / "sources.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "null"])
def test_a_damaged_table_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "sources.json").write_text(content)
    table = LinkTable(tmp_path)
    with pytest.raises(StudyError, match=r"damaged.*Remedy"):
        table.path_of("A")
    with pytest.raises(StudyError, match=r"damaged.*Remedy"):
        table.update({"A": tmp_path})
    assert (tmp_path / "sources.json").read_text() == content
