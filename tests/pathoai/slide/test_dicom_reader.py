"""DICOM slides: conformance, the SVS's own pixels, refusals, damage, and nothing of the patient."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    generate_uid,
)

from pathoai.errors import DamagedSlideError, NotASlideError, PathoaiError
from pathoai.geometry import Mpp, Region, Size
from pathoai.slide.dicom_reader import DicomBackend
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.slide.reader import SlideReader
from pathoai.testing.slide_readers import DamagedSlide, KnownSlide, SlideReaderTests

_PATIENT = "DUPONT^Jeanne"
_SIDE = 64
_WHOLE_SLIDE_IMAGE = pydicom.uid.VLWholeSlideMicroscopyImageStorage


def _picture(width: int = 520, height: int = 390) -> NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    coarse = rng.integers(40, 215, (7, 9, 3)).astype(np.uint8)
    return coarse.repeat(64, axis=0).repeat(64, axis=1)[:height, :width].copy()


def _tiles(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Row by row, filled up at the border."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % _SIDE), (0, -width % _SIDE), (0, 0)), mode="edge")
    return [
        np.ascontiguousarray(padded[y : y + _SIDE, x : x + _SIDE])
        for y in range(0, height, _SIDE)
        for x in range(0, width, _SIDE)
    ]


def _level(pixels: NDArray[np.uint8], *, mpp: float = 0.5, series: str = "1.2.3") -> Dataset:
    """An uncompressed level, `TILED_FULL`."""
    measures, optics, shared, data = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [mpp / 1e3, mpp / 1e3]
    shared.PixelMeasuresSequence = [measures]
    optics.ObjectiveLensPower, optics.ICCProfile = 20, b"a profile."
    data.SharedFunctionalGroupsSequence, data.OpticalPathSequence = [shared], [optics]
    data.SOPClassUID, data.SOPInstanceUID = _WHOLE_SLIDE_IMAGE, generate_uid()
    data.SeriesInstanceUID, data.PatientName = series, _PATIENT
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = pixels.shape[:2]
    data.Rows = data.Columns = _SIDE
    tiles = _tiles(pixels)
    data.NumberOfFrames, data.DimensionOrganizationType = len(tiles), "TILED_FULL"
    data.PhotometricInterpretation, data.SamplesPerPixel = "RGB", 3
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.PlanarConfiguration = 7, 0, 0
    data.PixelData = b"".join(tile.tobytes() for tile in tiles)
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def _compress(data: Dataset, tiles: list[bytes], syntax: UID, photometric: str) -> None:
    data.PixelData = encapsulate([tile + b"\0" * (len(tile) % 2) for tile in tiles])
    data["PixelData"].is_undefined_length = True
    data.PhotometricInterpretation = photometric
    data.file_meta.TransferSyntaxUID = syntax


def _jpeg_2000(tile: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k"))


def _save(data: Dataset, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def _make_sparse(data: Dataset, kept: list[int]) -> None:
    """Keep some of the frames, in any order, each with its place."""
    columns = -(-data.TotalPixelMatrixColumns // _SIDE)
    frame_bytes = _SIDE * _SIDE * 3
    whole, groups = data.PixelData, []
    for frame in kept:
        place, group = Dataset(), Dataset()
        place.RowPositionInTotalImagePixelMatrix = frame // columns * _SIDE + 1
        place.ColumnPositionInTotalImagePixelMatrix = frame % columns * _SIDE + 1
        group.PlanePositionSlideSequence = [place]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    data.DimensionOrganizationType, data.NumberOfFrames = "TILED_SPARSE", len(kept)
    data.PixelData = b"".join(whole[i * frame_bytes : (i + 1) * frame_bytes] for i in kept)


def _opened(path: Path) -> SlideReader:
    return DicomBackend().open(path, Mpp.square(0.5), "CODE")


class TestRealSlide(SlideReaderTests):
    """A folder of a level, a label and an overview, which OpenSlide refuses."""

    @pytest.fixture
    def folder(self, real_data: Path) -> Path:
        return real_data / "wsi" / "CMU-1-Small-Region-dicom"

    @pytest.fixture
    def reader(self, folder: Path) -> Iterator[SlideReader]:
        with open_slide(folder) as reader:
            yield reader

    @pytest.fixture
    def truth(self, real_data: Path) -> KnownSlide:
        """The SVS that it was made of: OpenSlide's pixels of it, exactly."""
        with openslide.OpenSlide(real_data / "wsi" / "cmu-1-small-region.svs") as svs:
            pixels = np.asarray(svs.read_region((0, 0), 0, svs.dimensions))[..., :3]
        return KnownSlide(pixels, mpp=0.499)

    @pytest.fixture
    def damaged(self, folder: Path, tmp_path: Path) -> Iterator[DamagedSlide]:
        (level,) = folder.glob("*35220*.dcm")
        data = bytearray(level.read_bytes())
        data[7410:7500] = bytes(90)  # the second frame
        (tmp_path / "damaged.dcm").write_bytes(data)
        with _opened(tmp_path / "damaged.dcm") as reader:
            yield DamagedSlide(reader, damaged=(240, 0), sound=(0, 0))


class TestPyramid(SlideReaderTests):
    """Three levels in files of their own: uncompressed, lossless JPEG 2000, uncompressed."""

    @pytest.fixture
    def reader(self, tmp_path: Path) -> Iterator[SlideReader]:
        _save(_level(_picture()), tmp_path / "slide" / "a.dcm")
        half, quarter = _picture()[::2, ::2], _picture()[::4, ::4]
        middle = _level(half, mpp=1.0)
        tiles = [_jpeg_2000(tile) for tile in _tiles(half)]
        _compress(middle, tiles, JPEG2000Lossless, "YBR_RCT")
        _save(middle, tmp_path / "slide" / "b.dcm")
        _save(_level(quarter, mpp=2.0), tmp_path / "slide" / "c")
        with _opened(tmp_path / "slide") as reader:
            assert [v.size_px for v in reader.info.levels] == [
                Size(520, 390),
                Size(260, 195),
                Size(130, 98),
            ]
            assert reader.info.objective_power == 20
            yield reader

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_picture(), mpp=0.5, icc_profile=b"a profile.")


class TestSparse(SlideReaderTests):
    """Frames that state their places, in any order; tiles of the left two columns are missing."""

    @pytest.fixture
    def reader(self, tmp_path: Path) -> Iterator[SlideReader]:
        data = _level(_picture())
        _make_sparse(data, [i for i in range(63) if i % 9 > 1][::-1])
        with _opened(_save(data, tmp_path / "sparse.dcm")) as reader:
            yield reader

    @pytest.fixture
    def truth(self) -> KnownSlide:
        pixels = _picture()
        pixels[:, :128] = 255
        unscanned = Region(0, 0, 128, 390)
        return KnownSlide(pixels, mpp=0.5, icc_profile=b"a profile.", unscanned=unscanned)


def test_the_real_slide_is_described_as_it_is(real_data: Path) -> None:
    for path in sorted((real_data / "wsi").glob("CMU-1-Small-Region-dicom*")):
        for named in (path, *path.iterdir()):
            found = describe_slide(named)
            assert (found.reader, found.vendor, found.compression) == ("dicom", "dicom", "JPEG")
            assert found.stated_mpp == ("0.499", "0.499")
            assert dict(found.associated_images) == {
                "label": Size(387, 463),
                "macro": Size(1280, 431),
            }


def test_pixels_are_openslides_own_where_it_reads_the_file(real_data: Path) -> None:
    compared = 0
    for path in sorted((real_data / "wsi" / "highdicom").glob("sm_image*.dcm")):
        try:
            slide = openslide.OpenSlide(path)
        except openslide.OpenSlideError:
            continue
        with slide, _opened(path) as reader:
            expected = np.asarray(slide.read_region((0, 0), 0, (50, 50)))[..., :3]
            np.testing.assert_array_equal(reader.read_region(0, 0, 0, Size(50, 50)), expected)
            compared += 1
    assert compared == 4


def test_jpeg_ls_shows_what_its_uncompressed_twin_shows(real_data: Path) -> None:
    folder = real_data / "wsi" / "highdicom"
    with _opened(folder / "sm_image.dcm") as plain:
        expected = plain.read_region(0, 0, 0, Size(50, 50))
    for name in ("sm_image_jpegls.dcm", "sm_image_jpegls_nobot.dcm"):
        with _opened(folder / name) as reader:
            np.testing.assert_array_equal(reader.read_region(0, 0, 0, Size(50, 50)), expected)


@pytest.mark.parametrize(("photometric", "ycbcr"), [("RGB", False), ("YBR_FULL_422", True)])
def test_the_colour_space_of_jpeg_frames_is_that_which_dicom_states(
    tmp_path: Path, photometric: str, ycbcr: bool
) -> None:
    """Frames that say nothing of it themselves."""
    space = "YCbCr" if ycbcr else "RGB"
    data, tiles = _level(_picture()), []
    for tile in _tiles(_picture()):
        jpeg = imagecodecs.jpeg8_encode(tile, level=95, outcolorspace=space)
        tiles.append(_without_application_segments(bytes(jpeg)))
    _compress(data, tiles, JPEGBaseline8Bit, photometric)
    with _opened(_save(data, tmp_path / "slide.dcm")) as reader:
        found = reader.read_region(0, 0, 0, Size(520, 390))
    assert np.abs(found.astype(int) - _picture()).mean() < 3


def _without_application_segments(jpeg: bytes) -> bytes:
    kept, at = jpeg[:2], 2
    while jpeg[at + 1] & 0xF0 == 0xE0:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return kept + jpeg[at:]


def test_other_dicom_objects_are_no_slides_and_say_what_they_are(real_data: Path) -> None:
    folder, kinds = real_data / "wsi" / "highdicom", []
    for path in sorted(folder.glob("s*.dcm")):
        if not path.name.startswith("sm_image"):
            with pytest.raises(NotASlideError, match=r"no whole-slide image") as raised:
                DicomBackend().describe(path)
            kinds.append(str(raised.value.found))
    assert len(kinds) == 15
    assert {*kinds} == {
        "Segmentation Storage",
        "Comprehensive 3D SR Storage",
        "Microscopy Bulk Simple Annotations Storage",
        "of an unknown kind",  # label maps are younger than pydicom 3.0
    }
    for name in ("sm_image_grayscale.dcm", "sm_image_grayscale_reversed.dcm"):
        with pytest.raises(NotASlideError, match="16 bits"):
            DicomBackend().describe(folder / name)


def test_folders_that_hold_no_slide_or_several_are_refused(real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(NotASlideError, match="without DICOM"):
        DicomBackend().describe(tmp_path)
    with pytest.raises(NotASlideError, match=r"several DICOM slides.*Remedy"):
        DicomBackend().describe(real_data / "wsi" / "highdicom")
    for name in ("a.dcm", "b.dcm"):
        _save(_level(_picture()), tmp_path / "twice" / name)
    with pytest.raises(NotASlideError, match="same level"):
        DicomBackend().describe(tmp_path / "twice")
    label = _level(_picture())
    label.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    with pytest.raises(NotASlideError, match="no level"):
        DicomBackend().describe(_save(label, tmp_path / "label" / "a.dcm"))


def test_a_level_of_another_shape_is_no_level_of_this_slide(tmp_path: Path) -> None:
    _save(_level(_picture()), tmp_path / "slide" / "a.dcm")
    _save(_level(_picture(260, 390)), tmp_path / "slide" / "b.dcm")
    with pytest.raises(DamagedSlideError, match=r"do not fit.*Remedy"):
        DicomBackend().describe(tmp_path / "slide")


@pytest.mark.parametrize(
    ("attribute", "value", "cause"),
    [
        ("TotalPixelMatrixFocalPlanes", 3, "several focal planes"),
        ("NumberOfOpticalPaths", 4, "several focal planes or optical paths"),
        ("BitsAllocated", 16, "16 bits"),
        ("PhotometricInterpretation", "PALETTE COLOR", "kind that is not read"),
        ("PlanarConfiguration", 1, "each colour lies apart"),
        ("TotalPixelMatrixColumns", 2**31 - 1, "size that no slide can have"),
        ("Rows", 0, "size that no slide can have"),
    ],
)
def test_what_is_not_read_is_refused_with_the_cause(
    tmp_path: Path, attribute: str, value: object, cause: str
) -> None:
    data = _level(_picture())
    setattr(data, attribute, value)
    with pytest.raises(PathoaiError, match=cause):
        DicomBackend().describe(_save(data, tmp_path / "slide.dcm"))


def test_frames_that_do_not_fit_are_our_error(tmp_path: Path) -> None:
    """Fewer or more than tiles, off the grid, twice at one place, or in several fragments."""
    few, off, twice, cut = (_level(_picture()) for _ in range(4))
    few.NumberOfFrames = 62
    _make_sparse(off, [0, 1, 2])
    place = off.PerFrameFunctionalGroupsSequence[1].PlanePositionSlideSequence[0]
    place.ColumnPositionInTotalImagePixelMatrix = 50
    _make_sparse(twice, [4, 4])
    frame = bytes(imagecodecs.jpegls_encode(_tiles(_picture())[0]))
    _compress(cut, [frame] * 64, JPEGLSLossless, "RGB")
    causes = ("does not fit", "side by side", "same place", "fragments")
    for number, (data, cause) in enumerate(zip((few, off, twice, cut), causes, strict=True)):
        path = _save(data, tmp_path / f"slide-{number}" / "a.dcm")
        with _opened(path) as reader, pytest.raises(PathoaiError, match=cause):
            reader.read_region(0, 0, 0, Size(9, 9))


@pytest.mark.parametrize("percent", [0.001, 0.1, 1, 10, 50, 90, 99, 99.9])
def test_a_truncated_slide_gives_our_error(real_data: Path, tmp_path: Path, percent: float) -> None:
    (path,) = (real_data / "wsi" / "CMU-1-Small-Region-dicom").glob("*35220*.dcm")
    whole, cut = path.read_bytes(), tmp_path / "cut.dcm"
    cut.write_bytes(whole[: int(len(whole) * percent / 100)])

    def read_all() -> None:
        with _opened(cut) as reader:
            reader.read_region(0, 0, 0, reader.info.size)

    with pytest.raises(PathoaiError):
        read_all()


def test_bytes_changed_anywhere_give_our_errors_only(
    real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(13)
    whole = (real_data / "wsi" / "highdicom" / "sm_image_jpegls.dcm").read_bytes()
    refused, path = 0, tmp_path / "damaged.dcm"
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(128, 4000, 4):
            damaged[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
        path.write_bytes(damaged)
        try:
            with _opened(path) as reader:
                reader.read_region(0, 0, 0, Size(50, 50))
        except PathoaiError:
            refused += 1
    assert refused > 40
    assert capfd.readouterr() == ("", "")


def test_nothing_of_the_patient_leaves_the_file(tmp_path: Path) -> None:
    """Neither described, nor kept, nor told by errors, even where the name is what is damaged."""
    path = _save(_level(_picture()), tmp_path / "slide.dcm")
    texts = [repr(DicomBackend().describe(path))]
    with _opened(path) as reader:
        texts.append(repr(reader.info))
    whole = path.read_bytes()
    place = whole.find(_PATIENT.encode())
    assert place > 0
    for offset in range(-8, 0):
        (tmp_path / "damaged").mkdir()
        damaged = tmp_path / "damaged" / "slide.dcm"
        damaged.write_bytes(whole[: place + offset] + b"\xff" + whole[place + offset + 1 :])
        try:
            texts.append(repr(DicomBackend().describe(damaged)))
        except PathoaiError as error:
            texts.append(repr(error))
        shutil.rmtree(tmp_path / "damaged")
    assert not [text for text in texts if "DUPONT" in text or "Jeanne" in text]


def test_files_are_released_when_the_slide_is_closed(real_data: Path) -> None:
    """Python warns of files that were left open, and warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        reader = _opened(real_data / "wsi" / "CMU-1-Small-Region-dicom")
        reader.read_region(0, 0, 0, Size(9, 9))
        reader.close()
        with pytest.raises(PathoaiError, match="closed"):
            reader.read_region(0, 0, 0, Size(9, 9))
