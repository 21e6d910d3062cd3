"""The attributes of one DICOM level, made anew from what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pathoai.deidentify.dicom_attributes import (
    CODES,
    CONTAINER,
    DEFINED_TERMS,
    KEPT,
    METHOD,
    STATED_ANEW,
)
from pathoai.deidentify.icc_profile import without_history
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.rewritten import NewIdentity
from pathoai.errors import DeidentificationError

_WHOLE_NUMBERS = {"US", "UL", "SS", "SL", "IS", "AT", "UV", "SV"}
_REALS = {"DS", "FL", "FD"}
_DECIMAL = re.compile(r" *[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})? *")
_PIXELS = 0x7FE00008


class DatasetMaker:
    """Makes data sets of one series, so that what refers to each other still does.

    Args:
        who: The slide's new identity.
        left: Told of what is not copied.
    """

    def __init__(self, who: NewIdentity, left: LeftBehind) -> None:
        """Know no optical path yet."""
        self._who, self._left = who, left
        self._paths: dict[str, str] = {}

    def anew(self, old: Any) -> Any:  # noqa: ANN401 - pydicom's own
        """The data set of a level, without its pixels.

        Args:
            old: A `pydicom.Dataset`, as the source holds it.

        Raises:
            DeidentificationError: The level's own pixels show the label, or text.
        """
        from pydicom.dataset import Dataset

        _refuse_label_in_pixels(old)
        new = self._kept(old, KEPT)
        third = [str(word) for word in old.get("ImageType", [])]
        made = "DERIVED" if third[:1] == ["DERIVED"] else "ORIGINAL"
        resampled = "RESAMPLED" if third[3:4] == ["RESAMPLED"] else "NONE"
        new.ImageType = [made, "PRIMARY", "VOLUME", resampled]
        for group in new.get("SharedFunctionalGroupsSequence", []):
            frame_type = Dataset()
            frame_type.FrameType = list(new.ImageType)
            group.WholeSlideMicroscopyImageFrameTypeSequence = [frame_type]
        for keyword, text in STATED_ANEW.items():
            setattr(new, keyword, text)
        new.PatientID = self._who.code
        self._name_specimen(old, new)
        return new

    def _name_specimen(self, old: Any, new: Any) -> None:  # noqa: ANN401 - pydicom's own
        """The slide and what lies on it, by code: how it was prepared is text of the laboratory."""
        from pydicom.dataset import Dataset

        specimens: Any = old.get("SpecimenDescriptionSequence", [])
        uid = str(specimens[0].get("SpecimenUID", "")) if len(specimens) else ""
        described = Dataset()
        described.SpecimenIdentifier = self._who.code
        described.SpecimenUID = self._who.uid(uid or "specimen " + self._who.code)
        described.IssuerOfTheSpecimenIdentifierSequence = []
        described.SpecimenPreparationSequence = []
        new.ContainerIdentifier = self._who.code
        new.IssuerOfTheContainerIdentifierSequence = []
        new.ContainerTypeCodeSequence = [_concept(*CONTAINER)]
        new.SpecimenDescriptionSequence = [described]
        new.AcquisitionContextSequence = []
        new.DeidentificationMethodCodeSequence = [_concept(*METHOD)]

    def _kept(self, old: Any, allowed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - pydicom's own
        from pydicom.dataset import Dataset

        new = Dataset()
        for element in old:
            if element.tag >= _PIXELS:
                continue
            keyword = element.keyword
            if keyword not in allowed:
                self._drop(element)
            elif element.VR == "SQ":
                items = [self._item(item, allowed[keyword]) for item in element.value]
                setattr(new, keyword, [item for item in items if item is not None])
            else:
                value = self._value(element)
                if value is not None:
                    setattr(new, keyword, value)
        return new

    def _item(self, item: Any, allowed: Any) -> Any:  # noqa: ANN401 - pydicom's own
        if allowed != "codes":
            return self._kept(item, allowed)
        scheme, value = (str(item.get(k, "")) for k in ("CodingSchemeDesignator", "CodeValue"))
        meaning = CODES.get((scheme, value))
        if meaning is None:
            for element in item:
                self._drop(element)
            return None
        return _concept(scheme, value, meaning)

    def _value(self, element: Any) -> Any:  # noqa: ANN401 - pydicom's own
        """As it may be written; None where it is left behind."""
        if element.keyword == "OpticalPathIdentifier":
            return self._paths.setdefault(str(element.value), str(len(self._paths) + 1))
        if element.keyword == "ICCProfile":
            return without_history(bytes(element.value), self._left)
        values = element.value if element.VM > 1 else [element.value]
        if element.VM == 0 or all(self._allowed(element.VR, value) for value in values):
            if element.VR == "UI":
                return self._uid(str(element.value)) if element.VM else None
            return element.value
        self._drop(element)
        return None

    def _allowed(self, vr: str, value: Any) -> bool:  # noqa: ANN401 - pydicom's own
        if vr in _WHOLE_NUMBERS:
            return isinstance(value, int)
        if vr in _REALS:
            # A decimal string is written as it was read.
            text = str(getattr(value, "original_string", value))
            return math.isfinite(float(value)) and (vr != "DS" or bool(_DECIMAL.fullmatch(text)))
        return vr == "UI" or (vr == "CS" and str(value) in DEFINED_TERMS)

    def _uid(self, old: str) -> str:
        """Standard ones name kinds of things; all others name this very thing."""
        return old if _is_of_standard(old) else self._who.uid(old)

    def _drop(self, element: Any) -> None:  # noqa: ANN401 - pydicom's own
        if element.VR == "SQ":
            for item in element.value:
                for inner in item:
                    self._drop(inner)
            return
        kind = "private DICOM attribute" if element.tag.is_private else "DICOM attribute"
        name = "" if element.tag.is_private else f" {element.keyword or 'of no known name'}"
        values = element.value if element.VM > 1 else [element.value]
        for value in values:
            data = value if isinstance(value, bytes) else "" if value is None else str(value)
            # The standard's own names stand in every copy.
            self._left.drop(kind + name, "" if _is_of_standard(data) else data)


def _concept(scheme: str, value: str, meaning: str) -> Any:  # noqa: ANN401 - pydicom's own
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _refuse_label_in_pixels(old: Any) -> None:  # noqa: ANN401 - pydicom's own
    for keyword in ("SpecimenLabelInImage", "BurnedInAnnotation"):
        if str(old.get(keyword, "")) == "YES":
            raise DeidentificationError(
                "a level shows the label or burned-in text, by its own word",
                found=f"{keyword} YES",
                remedy="cut it out of the picture at the scanner's software first",
            )


def _is_of_standard(text: str | bytes) -> bool:
    """True for the UIDs of PS3.6, which stand in every copy."""
    from pydicom.uid import UID

    return isinstance(text, str) and text.startswith("1.2.840.10008.") and UID(text).name != text
