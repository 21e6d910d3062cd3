"""What a payload's files are parts of, and what can be read in those that are no text."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pathoai_annotations.package.parts import Content, content_of, parts_of, store_of
from pathoai_annotations.package.printable_runs import printable_runs

_CODE = "0123456789ABCDEF"
_STORE = f"masks/{_CODE}.ome.zarr"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", Content.TEXT),
        (f"annotations/geojson/{_CODE}.geojson", Content.TEXT),
        (f"{_STORE}/0/zarr.json", Content.TEXT),
        (f"{_STORE}/0/c/0/0", Content.PIXELS),
        (f"images/{_CODE}/{_CODE}.svs", Content.PIXELS),
        (f"annotations/dicom/{_CODE}.seg.dcm", Content.DICOM),
        # No place for a store: it is held to be text, and so refused if it is none.
        (f"tables/{_CODE}.ome.zarr/0/c/0/0", Content.TEXT),
    ],
)
def test_a_name_says_what_a_file_must_hold(name: str, content: Content) -> None:
    assert content_of(name) is content


def test_a_store_is_one_part_with_a_hash_over_its_files(tmp_path: Path) -> None:
    texts = {"README.md": "a", f"{_STORE}/0/c/0": "b", f"{_STORE}/zarr.json": "c", "z": "d"}
    files = {}
    for name, text in texts.items():
        files[name] = tmp_path / name
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_text(text)
    parts = list(parts_of(dict(sorted(files.items()))))
    assert [(p.name, p.size, p.is_store) for p in parts] == [
        ("README.md", 1, False),
        (_STORE, 2, True),
        ("z", 1, False),
    ]
    of_b, of_c = (hashlib.sha256(text.encode()).hexdigest() for text in "bc")
    lines = f"{of_b}  0/c/0\n{of_c}  zarr.json\n"
    assert parts[1].sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert store_of(_STORE) == ""


def test_runs_of_printable_signs_are_found_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathoai_annotations.package.printable_runs._BLOCK", 64)
    words = ["someone@hospital.example", "x" * 200, "too short", "the very end of the file"]
    path = tmp_path / "file"
    path.write_bytes(b"\x00".join(b"\xff" * 50 + word.encode() for word in words))
    assert list(printable_runs(path)) == [words[0], words[1], words[3]]
    path.write_bytes(os.urandom(0))
    assert list(printable_runs(path)) == []
