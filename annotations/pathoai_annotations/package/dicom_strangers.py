"""What a DICOM file of a package says that packages do not say: it could name a patient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.strict_json import parse_json
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_codes
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_slide import dicom_fails
from pathoai_annotations.package import dicom_words

_UID = re.compile(r"[0-9.]{1,64}")
_VERSION = re.compile(r"(highdicom|PYDICOM )?\d[0-9a-z.+]{0,30}")
_TEXTS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR"})
_LONG_TEXT, _UID_TYPE = "UT", "UI"
_PRIVATE_CREATOR, _PRIVATE_JSON = (0x0099, 0x0010), (0x0099, 0x1001)
_PRIVATE_KEYS = ("id", "origin", "author", "status", "derived_from", "holes", "numbers")
_PREAMBLE = 128
_LONGEST = 64


def stranger_in(
    path: Path, annotations: Sequence[Annotation], context: WritingContext
) -> str | None:
    """The first element that packages do not write, or that says what they do not say.

    Args:
        path: The file.
        annotations: Of its slide.
        context: How the file was written.

    Returns:
        Keyword or tag of the element, and never what it says; None where there is none.

    Raises:
        AnnotationError: The file is damaged.
        MissingDependencyError: pydicom is not installed.
    """
    with path.open("rb") as file:
        if any(file.read(_PREAMBLE)):
            return "bytes before the first element"
    known = _Known(context.slide_id, _words(annotations, context))
    with dicom_fails(path):
        import pydicom

        dataset = pydicom.dcmread(path)
        for part in (dataset.file_meta, dataset):
            for element in part.iterall():
                if not known.allows(element):
                    return str(element.keyword or element.tag)
    return None


@dataclass(frozen=True, slots=True)
class _Known:
    """What may be said of a slide."""

    slide_id: str
    words: frozenset[str]

    def allows(self, element: Any) -> bool:  # noqa: ANN401 - pydicom's own
        keyword, values = str(element.keyword), _texts(element)
        if element.tag == _PRIVATE_CREATOR:
            return values == ["PATHOAI ANNOTATIONS"]
        if element.tag == _PRIVATE_JSON:
            return self.words.issuperset(_strings(parse_json(element.value, "private element")))
        if keyword in dicom_words.EMPTY:
            return not any(values)
        if keyword in dicom_words.CODE_OF_SLIDE:
            return values == [self.slide_id]
        if keyword in dicom_words.VERSIONS:
            return all(map(_VERSION.fullmatch, values))
        if element.VR == _UID_TYPE and keyword in dicom_words.ELEMENTS:
            return all(map(_UID.fullmatch, values))
        return keyword in dicom_words.ELEMENTS and self.words.issuperset(values)


def _texts(element: Any) -> list[str]:  # noqa: ANN401 - pydicom's own
    """Its values; of what holds numbers or bytes, none."""
    if element.VR not in _TEXTS and element.VR not in (_LONG_TEXT, _UID_TYPE):
        return []
    return [str(value) for value in (element.value if element.VM > 1 else [element.value])]


def _strings(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        yield from map(str, content)
        yield from _strings([*content.values()])
    elif isinstance(content, list):
        for one in content:
            yield from _strings(one)


def _words(annotations: Sequence[Annotation], context: WritingContext) -> frozenset[str]:
    """Words of the standard, of the classes, and of the annotations."""
    when = context.time
    found = {"", "None", context.slide_id, f"{when:%Y%m%d}", f"{when:%H%M%S}", *_PRIVATE_KEYS}
    for label in context.ontology.classes:
        coding = dicom_codes.class_coding(label)
        found |= {label.key, label.name, coding.code, coding.scheme, coding.meaning}
        found.add(f"{coding.scheme} {coding.code}")
    for annotation in annotations:
        found |= {str(annotation.id), annotation.origin.value, annotation.author}
        found |= {annotation.status.value, annotation.derived_from or ""}
        found |= {*dicom_codes.program(annotation.derived_from)}
        found |= {*map(dicom_codes.name_in_dicom, annotation.measurements)}
    # DICOM cuts long texts, and takes the blanks around them away.
    kept = found | {word[:_LONGEST] for word in found}
    return dicom_words.WORDS | kept | {word.strip() for word in kept}
