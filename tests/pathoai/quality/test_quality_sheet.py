"""The sheet, and the words and numbers on it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pathoai.ontology import LabelClass
from pathoai.quality.artefacts import AIR_BUBBLE, ARTEFACTS, BLUR, PEN
from pathoai.quality.quality_map import assess_quality
from pathoai.quality.quality_sheet import draw_quality_sheet
from pathoai.quality.summary import QualitySummary, summary_table
from pathoai.store.slide_store import SlideStore


def test_the_sheet_shows_the_slide_and_is_the_same_each_time(store: SlideStore) -> None:
    quality = assess_quality(store, torch.device("cpu"))
    first = draw_quality_sheet(store, quality)
    assert draw_quality_sheet(store, quality) == first
    picture = np.asarray(Image.open(io.BytesIO(first)).convert("RGB")).astype(int)
    height, width = picture.shape[:2]
    left, right = picture[: height * 2 // 3, : width // 2], picture[: height * 2 // 3, width // 2 :]
    pink = (left[..., 0] - left[..., 1] > 40) & (left[..., 2] - left[..., 1] > 15)
    assert pink.mean() > 0.05
    # On the right the slide is grey, and ink has the colour of the legend.
    ink = right[..., 2] - right[..., 0] > 40
    assert 0.002 < ink.mean() < 0.1
    clean = replace(quality, class_map=np.zeros_like(quality.class_map))
    assert draw_quality_sheet(store, clean) != first


def _summary(tissue_mm2: float = 20.0, **shares: float | None) -> QualitySummary:
    found: dict[LabelClass, float | None] = {a: shares.get(a.key, 0.0) for a in ARTEFACTS}
    return QualitySummary("0123456789ABCDEF", tissue_mm2, 3, 0.5, found)


def test_a_good_slide_has_no_warning() -> None:
    summary = _summary(pen=0.0004, blur=0.02)
    assert summary.warnings == []
    assert summary.line == "20.00 mm² tissue, out of focus 2.0 %"
    assert _summary().line == "20.00 mm² tissue, no artefact found"


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        (_summary(tissue_mm2=0.2), "Only 0.20 mm² of tissue."),
        (_summary(pen=0.024), "2.4 % of the tissue under pen ink"),
        (_summary(blur=0.4, fold=0.2), "Only 40% of the tissue is free of artefacts."),
        (_summary(air_bubble=0.1), "10.0 % of the tissue under air bubbles"),
        (_summary(blur=None), "Out of focus: not judged"),
    ],
)
def test_warnings_are_plain_words(summary: QualitySummary, words: str) -> None:
    assert any(warning.startswith(words) for warning in summary.warnings)


def test_the_table_reads_back() -> None:
    text = summary_table([_summary(pen=0.25, blur=None), _summary(air_bubble=0.5)])
    first, second = csv.DictReader(io.StringIO(text))
    assert first["slide_id"] == "0123456789ABCDEF"
    assert float(first["tissue_mm2"]) == 20.0
    assert float(first[PEN.key]) == 0.25
    assert first[BLUR.key] == ""
    assert float(second[AIR_BUBBLE.key]) == 0.5
    assert float(second["clean"]) == 0.5
