"""What DICOM files of a package may say: which elements, and which words in them.

A closed world: an element or a word that packages do not write could name a patient. Other words
come from the package itself: its classes, models, annotations and codes.
"""

from __future__ import annotations

CODE_OF_SLIDE = frozenset(["ContainerIdentifier", "PatientID", "SpecimenIdentifier"])
"""Elements that name the slide's code, and nothing else."""
EMPTY = frozenset(
    [
        "AccessionNumber",
        "ContentCreatorName",
        "PatientBirthDate",
        "PatientName",
        "PatientOrientation",
        "PatientSex",
        "ReferringPhysicianName",
        "StudyDate",
        "StudyID",
        "StudyTime",
    ]
)
"""Elements that the standard asks for and that stay empty: who the patient is, and when."""
VERSIONS = frozenset(["DeviceSerialNumber", "ImplementationVersionName", "SoftwareVersions"])
"""Elements that hold a version of software."""
_OTHERS_TEXT = """
AlgorithmFamilyCodeSequence AlgorithmName AlgorithmVersion AnnotationAppliesToAllOpticalPaths
AnnotationCoordinateType AnnotationGroupAlgorithmIdentificationSequence
AnnotationGroupDescription AnnotationGroupGenerationType AnnotationGroupLabel
AnnotationGroupNumber AnnotationGroupSequence AnnotationGroupUID AnnotationIndexList
AnnotationPropertyCategoryCodeSequence AnnotationPropertyTypeCodeSequence BitsAllocated
BitsStored CodeMeaning CodeValue CodingSchemeDesignator ColumnPositionInTotalImagePixelMatrix
Columns CompletionFlag ConceptCodeSequence ConceptNameCodeSequence ContainerTypeCodeSequence
ContentDate ContentDescription ContentLabel ContentSequence ContentTemplateSequence
ContentTime ContinuityOfContent CurrentRequestedProcedureEvidenceSequence
DeidentificationMethod DerivationCodeSequence DerivationImageSequence DimensionIndexPointer
DimensionIndexSequence DimensionIndexValues DimensionOrganizationSequence
DimensionOrganizationType DimensionOrganizationUID DoublePointCoordinatesData
FileMetaInformationGroupLength FileMetaInformationVersion FloatingPointValue
FloatingPointValues FrameContentSequence FrameOfReferenceUID FunctionalGroupPointer
GraphicData GraphicType HighBit ImageOrientationSlide ImageType ImplementationClassUID
InstanceNumber IssuerOfTheContainerIdentifierSequence IssuerOfTheSpecimenIdentifierSequence
LongCodeValue LongPrimitivePointIndexList LossyImageCompression Manufacturer
ManufacturerModelName MappingResource MeasuredValueSequence MeasurementUnitsCodeSequence
MeasurementValuesSequence MeasurementsSequence MediaStorageSOPClassUID
MediaStorageSOPInstanceUID Modality NumberOfAnnotations NumberOfFrames NumericValue
PatientIdentityRemoved PerFrameFunctionalGroupsSequence PerformedProcedureCodeSequence
PhotometricInterpretation PixelData PixelMeasuresSequence PixelOriginInterpretation
PixelRepresentation PixelSpacing PlanePositionSlideSequence PointCoordinatesData
PositionReferenceIndicator PreliminaryFlag PurposeOfReferenceCodeSequence
RecommendedDisplayCIELabValue ReferencedFrameOfReferenceUID ReferencedImageSequence
ReferencedInstanceSequence ReferencedPerformedProcedureStepSequence ReferencedSOPClassUID
ReferencedSOPInstanceUID ReferencedSOPSequence ReferencedSegmentNumber
ReferencedSeriesSequence RelationshipType RowPositionInTotalImagePixelMatrix Rows SOPClassUID
SOPInstanceUID SamplesPerPixel SegmentAlgorithmName SegmentAlgorithmType
SegmentIdentificationSequence SegmentLabel SegmentNumber SegmentSequence
SegmentationAlgorithmIdentificationSequence SegmentationType
SegmentedPropertyCategoryCodeSequence SegmentedPropertyTypeCodeSequence SegmentsOverlap
SeriesInstanceUID SeriesNumber SharedFunctionalGroupsSequence SliceThickness
SourceImageSequence SpatialLocationsPreserved SpecificCharacterSet SpecimenDescriptionSequence
SpecimenPreparationSequence SpecimenUID StudyInstanceUID TemplateIdentifier TextValue
TotalPixelMatrixColumns TotalPixelMatrixOriginSequence TotalPixelMatrixRows TransferSyntaxUID
UID ValueType VerificationFlag XOffsetInSlideCoordinateSystem YOffsetInSlideCoordinateSystem
ZOffsetInSlideCoordinateSystem
"""
OTHERS = frozenset(_OTHERS_TEXT.split())
"""All other elements."""
ELEMENTS = CODE_OF_SLIDE | EMPTY | VERSIONS | OTHERS

_SHORT_WORDS_TEXT = """
00 1 104157003 111030 112039 112040 113076 121005 121007 121012 121013 121014 121049 121058
121071 121112 121322 121401 122157 123110 125007 126000 126010 1410 1500 1501 255619001
276214006 2D 42798000 433466003 85756007 91723000 99PATHOAI ANN ANNOTATIONS AUTOMATIC Area
BINARY CODE COMPLETE CONTAINER CONTAINS CONTINUOUS DCM DCMR DERIVED Derivation Device FINAL
Finding IMAGE MANUAL MONOCHROME2 NUM POINT POLYGON POLYLINE PRIMARY Probability RFC5646
SCOORD3D SEG SEMIAUTOMATIC SLIDE_CORNER SR Segmentation TEXT TILED_SPARSE Tissue Total UCUM
UIDREF UNDEFINED UNVERIFIED VOLUME YES annotations en-US method mm2 pathoai um2
"""
_SHORT_WORDS = frozenset(_SHORT_WORDS_TEXT.split())
_LONG_WORDS = frozenset(
    {
        "A method without a model",
        "Anatomical Structure",
        "Artificial Intelligence",
        "Device Observer Manufacturer",
        "Device Observer Name",
        "Device Observer UID",
        "English (United States)",
        "Finding category",
        "HAS CONCEPT MOD",
        "HAS OBS CONTEXT",
        "ISO_IR 192",
        "Image Region",
        "Imaging Measurement Report",
        "Imaging Measurements",
        "Language of Content Item and Descendants",
        "Light microscopy procedure",
        "Measurement Group",
        "Microscope slide",
        "Number of annotations",
        "Observer Type",
        "PATHOAI ANNOTATIONS",
        "Procedure reported",
        "Source image for image processing operation",
        "Source of Measurement",
        "Tracking Identifier",
        "Tracking Unique Identifier",
        "no units",
        "not stated",
        "outlines of a slide as a raster",
        "slides are called by codes of a secret key",
        "square micrometer",
        "square millimeter",
    }
)
WORDS = _SHORT_WORDS | _LONG_WORDS
"""Words of the standard, and of pathoai, that are the same in all packages."""
