"""DICOM whole-slide images with canaries in texts, dates, private tags, frames and the preamble."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

from pathoai.testing.canaries import CANARIES

_TEXTS = {"LO", "SH", "PN", "ST", "LT", "UT", "UC"}
_SIDE = 64


def write_planted_dicom(folder: Path, pixels: NDArray[np.uint8]) -> None:
    """A series of one level of 0.5 µm per pixel.

    Args:
        folder: To be made.
        pixels: (height, width, 3), multiples of 64.
    """
    folder.mkdir(parents=True)
    data = _level(pixels)
    plant_in_dicom(data)
    data.save_as(folder / f"{CANARIES[1]}.dcm", enforce_file_format=True)


def _level(pixels: NDArray[np.uint8]) -> Dataset:
    measures, shared, optics, specimen, data = (Dataset() for _ in range(5))
    measures.PixelSpacing = [0.0005, 0.0005]
    shared.PixelMeasuresSequence = [measures]
    optics.ObjectiveLensPower, optics.OpticalPathIdentifier = 20, "1"
    specimen.SpecimenIdentifier, specimen.SpecimenShortDescription = "B1", "a core"
    specimen.SpecimenUID = generate_uid()
    data.SpecimenDescriptionSequence, data.ContainerIdentifier = [specimen], "S1"
    data.SharedFunctionalGroupsSequence, data.OpticalPathSequence = [shared], [optics]
    data.SOPClassUID, data.SOPInstanceUID = VLWholeSlideMicroscopyImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.PatientName, data.PatientID, data.PatientBirthDate = "A^B", "1", "19000101"
    data.AccessionNumber, data.ReferringPhysicianName, data.StudyDate = "1", "C^D", "20200101"
    data.InstitutionName, data.StationName, data.DeviceSerialNumber = "E", "F", "1"
    data.Modality, data.Manufacturer, data.StudyDescription = "SM", "G", "H"
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = pixels.shape[:2]
    data.Rows = data.Columns = _SIDE
    data.PhotometricInterpretation, data.SamplesPerPixel = "YBR_FULL_422", 3
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.PlanarConfiguration = 7, 0, 0
    data.SpecimenLabelInImage, data.BurnedInAnnotation = "NO", "NO"
    data.DimensionOrganizationType = "TILED_FULL"
    tiles = _tiles(pixels)
    data.NumberOfFrames, data.PixelData = len(tiles), encapsulate(tiles)
    data["PixelData"].is_undefined_length = True
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def _tiles(pixels: NDArray[np.uint8]) -> list[bytes]:
    height, width = pixels.shape[:2]
    return [
        bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels[y : y + _SIDE, x : x + _SIDE])))
        for y in range(0, height, _SIDE)
        for x in range(0, width, _SIDE)
    ]


def plant_in_dicom(data: Dataset) -> None:
    """Canaries in everything a data set says but what places its pixels."""
    keep = data.OpticalPathSequence
    del data.OpticalPathSequence
    _plant(data, [canary for canary in CANARIES if len(canary) <= 16])
    data.OpticalPathSequence = keep
    keep[0].OpticalPathIdentifier = CANARIES[8]
    keep[0].OpticalPathDescription = CANARIES[2]
    data.PatientComments = " and ".join(CANARIES)
    data.AcquisitionDateTime = "19470321101500"
    data.DeviceUID = "1.2.3.19470321"
    block = data.private_block(0x0099, CANARIES[4], create=True)
    block.add_new(1, "UN", CANARIES[7].encode("utf-16-le"))
    inner = Dataset()
    inner.PatientName = CANARIES[0]
    block.add_new(2, "SQ", Sequence([inner]))
    frames = generate_frames(data.PixelData, number_of_frames=data.get("NumberOfFrames", 1))
    data.PixelData = encapsulate([_with_comment(frame) for frame in frames])
    data.file_meta.SourceApplicationEntityTitle = CANARIES[3]
    data.preamble = CANARIES[5].encode().ljust(128, b"\0")
    data.add_new(0xFFFCFFFC, "OB", CANARIES[6].encode())


def _plant(data: Dataset, canaries: list[str]) -> None:
    """Every text, date and unknown word of a data set becomes a canary, at every depth."""
    for number, element in enumerate(list(data)):
        if element.VR == "SQ":
            for item in element.value:
                _plant(item, canaries)
        elif element.VR in _TEXTS:
            # Half of them as one word of those that readers split values at.
            element.value = canaries[number % len(canaries)]
        elif element.VR == "DA":
            element.value = "19470321"


def _with_comment(frame: bytes) -> bytes:
    word = CANARIES[11].encode()
    return frame[:2] + b"\xff\xfe" + (len(word) + 2).to_bytes(2, "big") + word + frame[2:]
