"""The text of an ImageScope file: layers, regions, and a table of attributes for each region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from pathoai.ontology import LabelClass
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.outline_rings import rings_of
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.xml_events import attribute, is_xml_text
from pathoai_annotations.slide_frame import Placement

ROOT = "Annotations"
METADATA = ("id", "origin", "author", "status", "derived_from")
PROBABILITY, MEASUREMENT = "probability", "measurement: "
_HEADERS = (*METADATA, PROBABILITY)


def write_layers(
    file: TextIO,
    annotations: Iterable[Annotation],
    context: WritingContext,
    report: ExchangeReport,
) -> None:
    """Write the whole text.

    Args:
        file: Open for writing.
        annotations: Of areas.
        context: The slide and the classes.
        report: Told of measurements whose names XML has no signs for.
    """
    layers: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        layers.setdefault(annotation.label, []).append(annotation)
    mpp = "" if context.frame is None else attribute("MicronsPerPixel", context.frame.mpp.mean)
    file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<{ROOT}{mpp}>\n')
    placement = context.placement()
    for number, (key, members) in enumerate(layers.items(), start=1):
        file.write(_layer_head(number, context.ontology[key]))
        place = 0
        for annotation in members:
            for text in _regions(annotation, placement, place, report):
                place += 1
                file.write(text)
        file.write("  </Regions>\n  <Plots/>\n </Annotation>\n")
    file.write(f"</{ROOT}>\n")


def _layer_head(number: int, label: LabelClass) -> str:
    red, green, blue = label.rgb
    marks = {
        "Id": number,
        "Name": label.key,
        "ReadOnly": 0,
        "NameReadOnly": 0,
        "LineColorReadOnly": 0,
        "Incremental": 0,
        "Type": 4,
        # A COLORREF of Windows: red is the lowest byte.
        "LineColor": red | green << 8 | blue << 16,
        "Visible": 1,
        "Selected": 0,
        "MarkupImagePath": "",
        "MacroName": "",
    }
    headers = "".join(
        f'    <AttributeHeader{attribute("Id", i)}{attribute("Name", name)} ColumnWidth="-1"/>\n'
        for i, name in enumerate(_HEADERS, start=1)
    )
    return (
        f" <Annotation{_attributes(marks)}>\n  <Attributes/>\n  <Regions>\n"
        f"   <RegionAttributeHeaders>\n{headers}   </RegionAttributeHeaders>\n"
    )


def _regions(
    annotation: Annotation, placement: Placement, place: int, report: ExchangeReport
) -> Iterator[str]:
    table = _table(annotation, report)
    outline = placement.from_level_0(annotation.geometry)
    for number, (corners, is_hole) in enumerate(rings_of(outline), start=place + 1):
        marks = {
            "Id": number,
            "Type": 0,
            "Zoom": 1,
            "Selected": 0,
            "ImageLocation": "",
            "ImageFocus": 0,
            "Length": _length(corners),
            "Area": _area(corners),
            "Text": annotation.label,
            "NegativeROA": int(is_hole),
            "InputRegionId": 0,
            "Analyze": int(not is_hole),
            "DisplayId": number,
        }
        yield (
            f"   <Region{_attributes(marks)}>\n    <Attributes>\n{table}    </Attributes>\n"
            f"    <Vertices>\n{_vertices(corners)}    </Vertices>\n   </Region>\n"
        )


def _table(annotation: Annotation, report: ExchangeReport) -> str:
    values: dict[str, object] = {
        "id": annotation.id,
        "origin": annotation.origin.value,
        "author": annotation.author,
        "status": annotation.status.value,
        "derived_from": annotation.derived_from,
        PROBABILITY: annotation.confidence,
    }
    rows = [(i, name, values[name]) for i, name in enumerate(_HEADERS, start=1)]
    for name, value in annotation.measurements.items():
        if is_xml_text(name):
            rows.append((0, MEASUREMENT + name, value))
        else:
            report.lose(Part.MEASUREMENTS, str(annotation.id))
    return "".join(
        f"     <Attribute{_attributes({'Name': name, 'Id': number, 'Value': value})}/>\n"
        for number, name, value in rows
        if value is not None
    )


def _vertices(corners: NDArray[np.float64]) -> str:
    return "".join(f'     <Vertex X="{x!r}" Y="{y!r}" Z="0"/>\n' for x, y in corners.tolist())


def _attributes(marks: Mapping[str, object]) -> str:
    return "".join(attribute(name, value) for name, value in marks.items())


def _length(corners: NDArray[np.float64]) -> float:
    return float(np.hypot(*(corners - np.roll(corners, 1, axis=0)).T).sum())


def _area(corners: NDArray[np.float64]) -> float:
    # From its own corner, so that large coordinates do not swallow small areas.
    x, y = (corners - corners[0]).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)
