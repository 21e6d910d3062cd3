"""Classes, models and measurements as DICOM codes them, and back.

A class is coded by SNOMED CT where its ontology gives a code, else by the NCI Thesaurus, else by
pathoai's own scheme ``99PATHOAI`` (PS3.16 section 8: private schemes begin with 99), whose code is
the class's key.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pathoai.ontology import Coding, LabelClass, Ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import ReadingContext

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.sr import CodedConcept

OWN_SCHEME = "99PATHOAI"
_SCHEMES = ("SCT", "NCIt")
_LONGEST = 64
_CELL_ROOT = "nucleus"
_UNKNOWN = "not stated"
_MODEL = re.compile(r"(?P<kind>[a-z_]+):(?P<name>[^@]*)(@(?P<version>.*))?")
_NOT_IN_SOURCE = re.compile(r"[^\w./:@+ -]")
MANUAL, SEMIAUTOMATIC, AUTOMATIC = "MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"


def class_concept(label: LabelClass) -> CodedConcept:
    """The code of a class."""
    from highdicom.sr import CodedConcept

    coding = class_coding(label)
    return CodedConcept(coding.code, coding.scheme, coding.meaning)


def class_coding(label: LabelClass) -> Coding:
    """The same, for whom DICOM is not installed; its meaning is cut to what DICOM takes."""
    by_scheme = {coding.scheme: coding for coding in label.codings}
    own = Coding(OWN_SCHEME, label.key, label.name)
    coding = next((by_scheme[s] for s in _SCHEMES if s in by_scheme), own)
    return replace(coding, meaning=coding.meaning[:_LONGEST])


def class_category(label: LabelClass, ontology: Ontology) -> CodedConcept:
    """What kind of thing a class is (CID 7150): a structure of a cell, or a tissue."""
    from highdicom.sr import CodedConcept

    if _CELL_ROOT in ontology.ancestors(label.key):
        return CodedConcept("91723000", "SCT", "Anatomical Structure")
    return CodedConcept("85756007", "SCT", "Tissue")


def class_colour(label: LabelClass) -> CIELabColor:
    """Its colour, as DICOM recommends colours."""
    from highdicom.color import CIELabColor

    return CIELabColor.from_rgb(*label.rgb)


def class_name(concept: CodedConcept, said: str, context: ReadingContext) -> str:
    """Which class of the ontology is meant: its key, or the file's own words where none is known.

    Args:
        concept: The code in the file.
        said: What the file calls the class, e.g. the label of a group.
        context: The user's word goes before all; then the label, then the code.
    """
    code, scheme = str(concept.value), str(concept.scheme_designator)
    for given in (said, code, f"{scheme}:{code}", str(concept.meaning)):
        if given in context.classes:
            return given
    if scheme == OWN_SCHEME:
        return code
    coded = [
        label.key
        for label in context.ontology.classes
        if any((c.scheme, c.code) == (scheme, code) for c in label.codings)
    ]
    if said in context.ontology or not coded:
        return said
    return coded[0] if len(coded) == 1 else said


def generation(annotation: Annotation) -> str:
    """Who made it: a person, a program, or a person from what a program proposed."""
    if annotation.origin not in (Origin.MODEL, Origin.IHC):
        return MANUAL
    judged = annotation.status in (Status.VALIDATED, Status.CORRECTED)
    return SEMIAUTOMATIC if judged else AUTOMATIC


def algorithm(source: str | None) -> AlgorithmIdentificationSequence:
    """The program that an annotation comes from.

    Args:
        source: ``derived_from`` of the annotation.
    """
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.sr import CodedConcept

    known = _MODEL.fullmatch(source or "")
    by_model = known is None or known["kind"] == "model"
    name, version = program(source)
    family = ("123110", "DCM", "Artificial Intelligence")
    if not by_model:
        family = ("method", OWN_SCHEME, "A method without a model")
    return AlgorithmIdentificationSequence(
        name=name,
        family=CodedConcept(*family),
        version=version,
    )


def program(source: str | None) -> tuple[str, str]:
    """Name and version of the program that an annotation comes from, as DICOM has room for them."""
    known = _MODEL.fullmatch(source or "")
    name, version = (known["name"], known["version"]) if known else (None, None)
    return (name or _UNKNOWN)[:_LONGEST], (version or _UNKNOWN)[:_LONGEST]


def source_of(algorithm: AlgorithmIdentificationSequence | None) -> str | None:
    """``derived_from`` of what a program made; None where the file names none."""
    if algorithm is None:
        return None
    name, version = (
        _NOT_IN_SOURCE.sub("_", str(part))[:_LONGEST]
        for part in (algorithm.name, algorithm.version)
    )
    return f"model:{name}@{version}" if name else None


def name_in_dicom(name: str) -> str:
    """A measurement's name without what DICOM does not keep: backslashes, and blanks around it."""
    return name.replace("\\", "/").strip() or "no name"


def number_concept(name: str) -> CodedConcept:
    """The code of a measurement that a program gave a name of its own."""
    from highdicom.sr import CodedConcept

    return CodedConcept(name, OWN_SCHEME, name[:_LONGEST])


def number_name(concept: CodedConcept, unit: CodedConcept) -> str:
    """What a measurement is called: our own name, or its meaning with the unit."""
    if str(concept.scheme_designator) == OWN_SCHEME:
        return str(concept.value)
    plain = str(unit.value) == "1"
    return str(concept.meaning) if plain else f"{concept.meaning} [{unit.value}]"
