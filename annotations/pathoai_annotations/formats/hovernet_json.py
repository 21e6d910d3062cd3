"""Cells as HoVer-Net and CellViT write them in JSON; read only.

HoVer-Net: ``{"mag": …, "nuc": {"1": {"contour": [[x, y], …], "centroid", "type", "type_prob"}}}``.
CellViT: ``{"wsi_metadata": {…}, "type_map": {…}, "cells": [{…, the same}]}``. Their coordinates are
pixels of the magnification that the network saw, and a magnification is no scale: where the file
states no µm per pixel that fits the slide, the user must.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.privacy.shown import shown
from pathoai.strict_json import read_json
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.text_file import check_file, head_of
from pathoai_annotations.slide_frame import known_frame

_TITLE = "HoVer-Net or CellViT JSON"
_SAME_SCALE = 0.05
_FEWEST_CORNERS = 3
_PIXEL_CENTRE = 0.5
# What repeats the outline, or says how it was found.
_KNOWN = {"contour", "centroid", "bbox", "type", "type_prob"}
_NO_NUMBER = (TypeError, ValueError, OverflowError)


class HoverNetJson:
    """The format ``hovernet-json``."""

    title = _TITLE
    suffixes: tuple[str, ...] = (".json",)
    reads, writes = True, False
    cannot_carry: frozenset[Part] = frozenset(Part)

    def recognises(self, path: Path) -> bool:
        """True where the first part of the file speaks of nuclei or cells."""
        head = head_of(path)
        return any(word in head for word in (b'"nuc"', b'"wsi_metadata"', b'"cells"'))

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """An outline for each cell, or a point where the file gives none."""
        raw = _loaded(path)
        cells = list(_cells(raw, path.name))
        placement = context.placement(unit_um=_unit_um(raw, context, path.name))
        reader = FeatureReader(context, report, placement)
        report.note("contours run through the centres of pixels: they were moved by half a pixel")
        names = _names(raw)
        for where, cell in cells:
            annotation = reader.parsed(where, partial(_feature, cell, where, names, context))
            for key in cell.keys() - _KNOWN:
                report.lose(f"the cell's {shown(key)}", where)
            if annotation is not None:
                yield annotation

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Refuse: networks write this, and no program reads it.

        Raises:
            AnnotationError: Always.
        """
        raise AnnotationError(
            "files of this format can only be read",
            where=path.name,
            remedy="see `pathoai annotations formats` for those that can be written",
        )


FORMAT = HoverNetJson()


def _loaded(path: Path) -> dict[str, Any]:
    check_file(path, _TITLE)
    try:
        raw = read_json(path, foreign=True)
    except InvalidValueError as error:
        raise AnnotationError(f"not a {_TITLE} file", where=path.name, found=error.found) from error
    if not isinstance(raw, dict):
        raise _refusal(path.name)
    return raw


def _cells(raw: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    nuclei, cells = raw.get("nuc"), raw.get("cells")
    if isinstance(nuclei, dict):
        found = [(f"{name} nucleus {key}", cell) for key, cell in nuclei.items()]
    elif isinstance(cells, list):
        found = [(f"{name} cell {number}", cell) for number, cell in enumerate(cells, start=1)]
    else:
        raise _refusal(name)
    for where, cell in found:
        if not isinstance(cell, dict):
            raise AnnotationError("not a cell", where=where, allowed="an object with a contour")
        yield where, cell


def _refusal(name: str) -> AnnotationError:
    return AnnotationError(
        f"not a {_TITLE} file", where=name, allowed="an object with `nuc` or `cells`"
    )


def _unit_um(raw: dict[str, Any], context: ReadingContext, name: str) -> float | None:
    """The user's word; None for level-0 pixels, where the file itself says that it is in these."""
    if context.mpp is not None:
        return context.mpp
    known = known_frame(context.frame, name).mpp.mean
    stated = _stated_mpp(raw)
    if stated is not None and abs(stated / known - 1) <= _SAME_SCALE:
        return None
    found = "no µm per pixel" if stated is None else f"{stated:g} µm per pixel"
    raise AnnotationError(
        "at which scale are the coordinates?",
        where=name,
        found=f"{found}, mag {raw['mag']}" if "mag" in raw else found,
        remedy=f"say it with --mpp; level 0 of the slide has {known:g} µm per pixel",
    )


def _stated_mpp(raw: dict[str, Any]) -> float | None:
    """What the file says of its scale; None where it says nothing, or two things."""
    about = raw.get("wsi_metadata")
    about = about if isinstance(about, dict) else {}
    said = [raw.get("mpp"), about.get("base_mpp"), about.get("target_patch_mpp")]
    try:
        scales = [float(value) for value in said if value is not None]
    except _NO_NUMBER:
        return None
    # The slide's scale and the network's: which of them counts is not said, unless they agree.
    agree = scales and min(scales) > 0 and max(scales) / min(scales) - 1 <= _SAME_SCALE
    return scales[0] if agree else None


def _names(raw: dict[str, Any]) -> dict[str, str]:
    named = raw.get("type_map")
    if not isinstance(named, dict):
        return {}
    return {str(key): str(value) for key, value in named.items()}


def _feature(
    cell: dict[str, Any], where: str, names: dict[str, str], context: ReadingContext
) -> Feature:
    kind = cell.get("type")
    name = None if kind is None else str(kind)
    if name is not None and name not in context.classes:
        name = names.get(name, name)
    share = cell.get("type_prob")
    try:
        confidence = None if share is None else float(share)
    except _NO_NUMBER as error:
        raise AnnotationError("type_prob is no number", found=share) from error
    return Feature(where, _outline(cell), name, confidence=confidence)


def _outline(cell: dict[str, Any]) -> BaseGeometry:
    raw = cell.get("contour", cell.get("centroid"))
    try:
        corners = np.asarray(raw, np.float64).reshape(-1, 2)
    except _NO_NUMBER as error:
        raise AnnotationError("malformed geometry", found=error) from error
    if "contour" not in cell:
        return Point(corners[0] + _PIXEL_CENTRE) if len(corners) else Point()
    if len(corners) < _FEWEST_CORNERS:
        return Polygon()
    # A coordinate that is no number is refused later, by an error, not by a warning.
    with np.errstate(invalid="ignore"):
        return Polygon(corners + _PIXEL_CENTRE)
