"""MRXS: made here as OpenSlide's site describes it, judged by OpenSlide before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest

from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.errors import DamagedSlideError, DeidentificationError, PathoaiError
from pathoai.testing.canaries import CANARIES, canaries_in
from tests.pathoai.deidentify.planted_mirax import write_planted_mirax

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))


def test_nothing_planted_leaves_with_an_mrxs(tmp_path: Path) -> None:
    source = tmp_path / CANARIES[10] / f"{CANARIES[1]}.mrxs"
    write_planted_mirax(source)
    found = "\n".join(canaries_in(tmp_path))
    assert all(canary in found for canary in CANARIES)
    done = deidentify_slide(source, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert canaries_in(tmp_path / "out") == []
    assert set(done.sha256) == {
        f"{_CODE}.mrxs",
        f"{_CODE}/Slidedat.ini",
        f"{_CODE}/Index.dat",
        f"{_CODE}/Data0000.dat",
    }
    with openslide.OpenSlide(source) as before, openslide.OpenSlide(done.path) as after:
        assert before.properties["openslide.vendor"] == "mirax"
        assert "label" in before.associated_images
        assert dict(after.associated_images) == {}
        assert after.level_dimensions == before.level_dimensions == ((512, 512), (256, 256))
        for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_OBJECTIVE_POWER):
            assert after.properties[name] == before.properties[name]
        for level, size in enumerate(before.level_dimensions):
            old, new = (v.read_region((0, 0), level, size) for v in (before, after))
            assert old.tobytes() == new.tobytes()
            assert np.asarray(old)[..., :3].std() > 10
    assert done.report["left_behind"]["MIRAX record beside the tiles"] == 3


def test_tiles_that_are_not_jpeg_go_into_quarantine(tmp_path: Path) -> None:
    source = tmp_path / "slide.mrxs"
    write_planted_mirax(source, "BMP24")
    with pytest.raises(PathoaiError):
        deidentify_slide(source, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert not list((tmp_path / "out").glob("*"))


def test_a_number_that_is_a_name_goes_into_quarantine(tmp_path: Path) -> None:
    source = tmp_path / "slide.mrxs"
    write_planted_mirax(source)
    sheet = tmp_path / "slide" / "Slidedat.ini"
    text = sheet.read_text("utf8")
    sheet.write_text(text.replace("FACTOR = 0", "FACTOR = 0" + CANARIES[0]), "utf8")
    with pytest.raises((DeidentificationError, DamagedSlideError)) as caught:
        deidentify_slide(source, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert CANARIES[0] not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


def test_a_data_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "slide.mrxs"
    write_planted_mirax(source)
    data = tmp_path / "slide" / "Data0000.dat"
    data.write_bytes(data.read_bytes()[:9000])
    with pytest.raises(PathoaiError) as caught:
        deidentify_slide(source, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))
