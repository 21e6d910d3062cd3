"""DICOM series: nothing planted is left, references still hold, pixels stay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.errors import DeidentificationError, PathoaiError
from pathoai.slide.open_slide import describe_slide
from pathoai.testing.canaries import CANARIES, canaries_in
from tests.pathoai.deidentify.planted_dicom import plant_in_dicom

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))


@pytest.fixture
def series(real_data: Path, tmp_path: Path) -> Path:
    """The real series, with canaries in every text of every file, private tags, and beside them."""
    folder = tmp_path / CANARIES[10]
    shutil.copytree(real_data / "wsi" / "CMU-1-Small-Region-dicom", folder)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.chmod(0o600)
        data = pydicom.dcmread(path)
        plant_in_dicom(data)
        data.save_as(folder / f"{CANARIES[1]}-{number}.dcm")
        path.unlink()
    return folder


def test_nothing_planted_leaves_with_a_series(series: Path, tmp_path: Path) -> None:
    found = "\n".join(canaries_in(tmp_path))
    assert all(canary in found for canary in CANARIES)
    done = deidentify_slide(series, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert canaries_in(tmp_path / "out") == []
    before, after = describe_slide(series), describe_slide(done.path)
    assert after.levels == before.levels
    assert after.stated_mpp == before.stated_mpp
    assert set(before.associated_images) == {"label", "macro"}
    assert after.associated_images == {}
    [path] = done.paths
    assert path.name == f"{_CODE}-0.dcm"
    data = pydicom.dcmread(path)
    assert data.PatientIdentityRemoved == "YES"
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    assert not any(element.tag.is_private for element in data.iterall())
    source = next(v for v in map(pydicom.dcmread, series.iterdir()) if "VOLUME" in v.ImageType)
    for old, new in zip(
        generate_frames(source.PixelData, number_of_frames=130),
        generate_frames(data.PixelData, number_of_frames=130),
        strict=True,
    ):
        assert len(new) in (len(old) - 18, len(old) - 17)


def test_uids_are_keyed_and_the_same_for_all_that_refers_to_them(
    real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "wsi" / "CMU-1-Small-Region-dicom"
    one, again, other = (
        pydicom.dcmread(
            deidentify_slide(source, tmp_path / name, code=_CODE, uid_key=key).paths[0],
            stop_before_pixels=True,
        )
        for name, key in (("1", _KEY), ("2", _KEY), ("3", _KEY[::-1]))
    )
    assert one == again
    old = {
        element.value
        for path in source.iterdir()
        for element in pydicom.dcmread(path, stop_before_pixels=True).iterall()
        if element.VR == "UI" and not str(element.value).startswith("1.2.840.")
    }
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
    for keyword in uids:
        assert one[keyword].value.startswith("2.25.")
        assert one[keyword].value not in old
        assert one[keyword] != other[keyword]


def test_a_level_that_shows_the_label_goes_into_quarantine(real_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    shutil.copytree(real_data / "wsi" / "CMU-1-Small-Region-dicom", folder)
    for path in folder.iterdir():
        path.chmod(0o600)
        data = pydicom.dcmread(path)
        data.SpecimenLabelInImage = "YES"
        data.save_as(path)
    with pytest.raises(DeidentificationError, match="by its own word"):
        deidentify_slide(folder, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert not list((tmp_path / "out").glob("*"))


def test_a_series_that_was_cut_short_is_refused(real_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for path in (real_data / "wsi" / "CMU-1-Small-Region-dicom").iterdir():
        whole = path.read_bytes()
        (folder / path.name).write_bytes(whole[: len(whole) * 4 // 5])
    with pytest.raises(PathoaiError):
        deidentify_slide(folder, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert not list((tmp_path / "out").glob("*"))
