"""Which DICOM attributes a whole-slide image keeps (PS3.3 A.32.8), and with what values.

By value representation: numbers are parsed, UIDs are well known or re-keyed, words are defined
terms of this file. No free text is ever copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT: dict[str, Any] = {
    "Modality": None,
    "SOPClassUID": None,
    "SOPInstanceUID": None,
    "StudyInstanceUID": None,
    "SeriesInstanceUID": None,
    "FrameOfReferenceUID": None,
    "PyramidUID": None,
    "InstanceNumber": None,
    "SamplesPerPixel": None,
    "PhotometricInterpretation": None,
    "PlanarConfiguration": None,
    "NumberOfFrames": None,
    "Rows": None,
    "Columns": None,
    "BitsAllocated": None,
    "BitsStored": None,
    "HighBit": None,
    "PixelRepresentation": None,
    "BurnedInAnnotation": None,
    "LossyImageCompression": None,
    "LossyImageCompressionRatio": None,
    "LossyImageCompressionMethod": None,
    "PresentationLUTShape": None,
    "RescaleIntercept": None,
    "RescaleSlope": None,
    "VolumetricProperties": None,
    "TotalPixelMatrixColumns": None,
    "TotalPixelMatrixRows": None,
    "TotalPixelMatrixFocalPlanes": None,
    "NumberOfOpticalPaths": None,
    "ImagedVolumeWidth": None,
    "ImagedVolumeHeight": None,
    "ImagedVolumeDepth": None,
    "ImageOrientationSlide": None,
    "SpecimenLabelInImage": None,
    "FocusMethod": None,
    "ExtendedDepthOfField": None,
    "DimensionOrganizationType": None,
    "DimensionOrganizationSequence": {"DimensionOrganizationUID": None},
    "DimensionIndexSequence": {
        "DimensionOrganizationUID": None,
        "DimensionIndexPointer": None,
        "FunctionalGroupPointer": None,
    },
    "TotalPixelMatrixOriginSequence": {
        "XOffsetInSlideCoordinateSystem": None,
        "YOffsetInSlideCoordinateSystem": None,
        "ZOffsetInSlideCoordinateSystem": None,
    },
    "OpticalPathSequence": {
        "OpticalPathIdentifier": None,
        "IlluminationTypeCodeSequence": "codes",
        "IlluminationColorCodeSequence": "codes",
        "IlluminationWaveLength": None,
        "ObjectiveLensPower": None,
        "ObjectiveLensNumericalAperture": None,
        "ICCProfile": None,
        "ColorSpace": None,
    },
    "SharedFunctionalGroupsSequence": {
        "PixelMeasuresSequence": {
            "PixelSpacing": None,
            "SliceThickness": None,
            "SpacingBetweenSlices": None,
        },
        "OpticalPathIdentificationSequence": {"OpticalPathIdentifier": None},
    },
    "PerFrameFunctionalGroupsSequence": {
        "FrameContentSequence": {"DimensionIndexValues": None},
        "PlanePositionSlideSequence": {
            "ColumnPositionInTotalImagePixelMatrix": None,
            "RowPositionInTotalImagePixelMatrix": None,
            "XOffsetInSlideCoordinateSystem": None,
            "YOffsetInSlideCoordinateSystem": None,
            "ZOffsetInSlideCoordinateSystem": None,
        },
        "OpticalPathIdentificationSequence": {"OpticalPathIdentifier": None},
    },
}
"""Attribute → what may stand in its items: None for a value, "codes" for coded concepts."""

DEFINED_TERMS = frozenset({
    "SM", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "MONOCHROME1", "MONOCHROME2",
    "YES", "NO", "00", "01", "ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "IDENTITY", "INVERSE",
    "VOLUME", "SAMPLED", "AUTO", "MANUAL", "TILED_FULL", "TILED_SPARSE", "SRGB", "ADOBERGB",
    "ROMMRGB",
})  # fmt: skip
"""Of attributes of representation CS; any other word is left behind."""

CODES: Mapping[tuple[str, str], str] = {
    ("DCM", "111741"): "Transmission illumination",
    ("DCM", "111742"): "Reflection illumination",
    ("DCM", "111743"): "Epifluorescence illumination",
    ("DCM", "111744"): "Brightfield illumination",
    ("SCT", "414298005"): "Full Spectrum",
    ("SRT", "R-102C0"): "Full Spectrum",
}
"""Concepts of illumination (PS3.16, CID 8123 and 8122) by scheme and value, with their meaning."""

NO_DAY, NO_TIME = "19000101", "000000"
"""For attributes that must hold a date (PS3.15 E.1.1 allows a dummy)."""
_NOT_STATED = "not stated"
STATED_ANEW: Mapping[str, str] = {
    **dict.fromkeys(
        ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
         "PatientName", "PatientBirthDate", "PatientSex"), ""),
    **dict.fromkeys(
        ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
        _NOT_STATED),
    "ContentDate": NO_DAY,
    "ContentTime": NO_TIME,
    "AcquisitionDateTime": NO_DAY + NO_TIME,
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "Allowlist of attributes by pathoai",
    "LongitudinalTemporalInformationModified": "REMOVED",
}  # fmt: skip
"""What a whole-slide image must state, whatever stood there."""

CONTAINER = ("SCT", "433466003", "Microscope slide")
METHOD = ("DCM", "113100", "Basic Application Confidentiality Profile")
IMPLEMENTATION_UID = "2.25.302147836459176120578934560218745213"
"""Names pathoai as the writer of a file; made once, at random."""

WRITTEN_WORDS = (
    *DEFINED_TERMS,
    *STATED_ANEW.values(),
    *(" ".join((scheme, value, meaning)) for (scheme, value), meaning in CODES.items()),
    " ".join((*CONTAINER, *METHOD, IMPLEMENTATION_UID)),
    "ORIGINAL DERIVED PRIMARY RESAMPLED",
)
"""All words that a copy holds: finding them proves nothing."""
