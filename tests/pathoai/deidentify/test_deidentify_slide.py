"""What holds for every kind: whole or nothing, found again, searched, and no name in an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from pathoai.cli.main import main
from pathoai.deidentify.byte_search import ByteSearch
from pathoai.deidentify.deidentify_slide import deidentify_slide, level_hashes
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import DeidentificationError, InvalidValueError
from pathoai.study.study import Study
from pathoai.testing.canaries import CANARIES
from pathoai.testing.generated_slide import SlideTruth

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))
_KILLED_AT_TILE_5 = """
import os, signal, sys
from pathlib import Path
from pathoai.deidentify.deidentify_slide import deidentify_slide
def advance(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
deidentify_slide(Path(sys.argv[1]), Path(sys.argv[2]), code=sys.argv[3], uid_key=bytes(32),
                 advance=advance)
"""


def test_a_killed_run_leaves_nothing_at_the_place_of_the_copy(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _KILLED_AT_TILE_5, str(generated[0]), str(tmp_path), _CODE]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("[!.]*"))
    done = deidentify_slide(generated[0], tmp_path, code=_CODE, uid_key=_KEY)
    assert os.listdir(tmp_path) == [_CODE]
    assert not done.resumed


def test_a_finished_copy_is_checked_and_kept(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    first = deidentify_slide(generated[0], tmp_path, code=_CODE, uid_key=_KEY)
    again = deidentify_slide(generated[0], tmp_path, code=_CODE, uid_key=_KEY)
    assert again.resumed
    assert again.report == first.report
    with first.path.open("r+b") as file:
        file.seek(1000)
        file.write(b"altered")
    with pytest.raises(DeidentificationError, match="not as it was written"):
        deidentify_slide(generated[0], tmp_path, code=_CODE, uid_key=_KEY)


def test_pixels_that_were_encoded_again_are_noticed(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    done = deidentify_slide(generated[0], tmp_path, code=_CODE, uid_key=_KEY)
    assert level_hashes(done.path) == done.level_sha256 == level_hashes(generated[0])
    with tifffile.TiffFile(done.path) as tiff:
        pixels = tiff.pages.first.asarray()
    again = tmp_path / "again.tiff"
    tifffile.imwrite(
        again, pixels, tile=(256, 256), compression="jpeg", photometric="ycbcr", metadata=None
    )
    assert level_hashes(again) != done.level_sha256


def test_the_same_slide_gives_the_same_bytes(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    one, two = (
        deidentify_slide(generated[0], tmp_path / name, code=_CODE, uid_key=_KEY)
        for name in ("1", "2")
    )
    assert one.report == two.report


def test_a_name_or_a_short_key_is_refused(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    for code, key in (("DUPONT_Jeanne", _KEY), (_CODE, b"short")):
        with pytest.raises(InvalidValueError) as caught:
            deidentify_slide(generated[0], tmp_path, code=code, uid_key=key)
        assert "DUPONT" not in str(caught.value)


def test_what_is_left_behind_is_found_wherever_it_stands(tmp_path: Path) -> None:
    left = LeftBehind()
    left.drop("note", f"x;{CANARIES[0]}|short")
    search = ByteSearch(left.words(allowed=["ours"]))
    name = CANARIES[0]
    path = tmp_path / "file"
    import base64

    for hidden in (
        name.encode(),
        name.encode("utf-16-le"),
        name.encode("utf-16-be"),
        *(base64.b64encode(b"abc"[:n] + name.encode() + b"xyz") for n in range(3)),
    ):
        # Across the border of two chunks, and at both ends.
        for before in (0, 1, 8 * 2**20 - 5):
            path.write_bytes(bytes(before) + hidden)
            assert search.occurs_in(path)
    path.write_bytes(b"nothing of the kind, only short")
    assert not search.occurs_in(path)


def test_words_of_ours_prove_nothing() -> None:
    left = LeftBehind()
    left.drop("tag", "Aperio Image Library of Martineau")
    assert left.words(allowed=["Aperio Image Library"]) == {
        "Martineau",
        "Aperio Image Library of Martineau",
    }


def test_the_command_goes_on_past_a_bad_slide_and_names_none(
    generated: tuple[Path, SlideTruth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "DUPONT_other.svs"
    bad.write_bytes(generated[0].read_bytes()[:40_000])
    out = tmp_path / "out"
    assert main(["deidentify", str(bad), str(generated[0]), str(out)]) == 1
    printed = "".join(capsys.readouterr())
    assert "DUPONT" not in printed
    assert "slide 1" in printed
    [copy] = out.iterdir()
    assert copy.name in printed
    assert main(["deidentify", str(generated[0]), str(out)]) == 0
    assert "complete before this run" in capsys.readouterr().out


def test_a_study_gives_its_codes(
    generated: tuple[Path, SlideTruth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "study"), "--ontology", "breast"]) == 0
    assert main(["add", str(tmp_path / "study"), str(generated[0])]) == 0
    [row] = Study(tmp_path / "study").cohort
    for slide in (row.slide_id, str(generated[0])):
        command = ["deidentify", slide, str(tmp_path / "out"), "--study", str(tmp_path / "study")]
        assert main(command) == 0
    assert os.listdir(tmp_path / "out") == [row.slide_id]
    stranger = tmp_path / "stranger.svs"
    stranger.write_bytes(b"another")
    command[1] = str(stranger)
    assert main(command) == 1
    assert "no slide of this content" in capsys.readouterr().err
