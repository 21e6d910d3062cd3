"""Files of figures: true lengths, words that stay words, bytes that do not change."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pathoai import __version__
from pathoai.geometry import Region
from pathoai.heatmap.draw_page import draw_page
from pathoai.heatmap.heatmap import Heatmap, draw_heatmap, page_content
from pathoai.heatmap.map_choice import MapChoice
from pathoai.heatmap.page import Resolution
from pathoai.heatmap.scale_bar import ScaleBar
from tests.pathoai.heatmap.mapped_study import (
    MODEL,
    MODEL_SHA256,
    NUCLEI,
    Mapped,
)
from tests.pathoai.store.made_stores import SLIDE_ID


def _decoded(mapped: Mapped, heatmap: Heatmap) -> NDArray[np.uint8]:
    """The PNG, decoded."""
    data = draw_heatmap(mapped.study, mapped.store, heatmap, "png")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _texts(data: bytes) -> str:
    """What a PDF writes, string after string; its characters are those of Latin-1."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        for shown in re.findall(rb"BT\n(.*?)\nET", content, re.DOTALL):
            parts = re.findall(rb"\(((?:\\.|[^\\)])*)\)", shown, re.DOTALL)
            text = re.sub(rb"\\(.)", rb"\1", b"".join(parts), flags=re.DOTALL)
            found.append(text.replace(b"\0", b"").decode("latin-1"))
    return "\n".join(found)


def test_the_scale_bar_is_as_long_as_it_says(mapped: Mapped) -> None:
    heatmap = replace(Heatmap(MapChoice(MODEL)), resolution=Resolution(width_px=1111))
    content, picture = page_content(mapped.study, mapped.store, heatmap), _decoded(mapped, heatmap)
    assert picture.shape[1] == 1111
    bar = ScaleBar.within(content.picture.shape[1], content.mpp)
    assert bar.length_px * content.mpp == pytest.approx(bar.length_um)
    height, width = content.picture.shape[:2]
    low = picture[content.corner_px : content.corner_px + height, : content.corner_px + width]
    black = (low[-content.px(6) :] == 0).all(axis=2).sum(axis=1).max()
    assert abs(int(black) - bar.length_px) <= 1
    pdf = draw_heatmap(mapped.study, mapped.store, heatmap, "pdf")
    assert f"\n{bar.length_um:g} µm\n" in _texts(pdf) + "\n"


@given(width=st.integers(50, 10_000), mpp=st.floats(0.01, 200))
def test_scale_bars_are_round_and_fit(width: int, mpp: float) -> None:
    bar = ScaleBar.within(width, mpp)
    digits = f"{bar.length_um:e}"
    assert digits[0] in "125"
    assert digits[1:].startswith(".000000")
    assert bar.length_px == pytest.approx(bar.length_um / mpp)
    assert 0.25 * width / 2.6 < bar.length_px <= 0.25 * width * (1 + 1e-6)


_WITHOUT_TORCH = """
import sys
from pathoai.cli.main import main
code = main()
assert not {"torch", "matplotlib.pyplot"} & set(sys.modules)
raise SystemExit(code)
"""


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_the_same_figure_has_the_same_bytes(mapped: Mapped, kind: str, tmp_path: Path) -> None:
    """Also in another process, whose hashes of strings differ, and which never needs torch."""
    heatmap = Heatmap(MapChoice(NUCLEI, "outlines"), Region(300, 200, 600, 400))
    here = draw_heatmap(mapped.study, mapped.store, heatmap, kind)
    out = tmp_path / f"figure.{kind}"
    words = [sys.executable, "-c", _WITHOUT_TORCH, "heatmap", str(mapped.study.path), SLIDE_ID]
    words += ["--map", NUCLEI, "--show", "outlines", "--region", "300,200,600,400"]
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*words, "--out", str(out)], check=True, env=environment, capture_output=True)
    assert out.read_bytes() == here


def test_a_png_carries_its_resolution(mapped: Mapped) -> None:
    heatmap = replace(Heatmap(MapChoice(MODEL)), resolution=Resolution(dpi=200))
    data = draw_heatmap(mapped.study, mapped.store, heatmap, "png")
    image = Image.open(io.BytesIO(data))
    assert image.info["dpi"] == pytest.approx((200, 200), rel=1e-3)
    assert image.info["Software"] == f"pathoai {__version__}"


def test_a_pdf_holds_words_as_words_and_the_picture_once(mapped: Mapped) -> None:
    heatmap = Heatmap(MapChoice(MODEL), language="fr")
    content = page_content(mapped.study, mapped.store, heatmap)
    data = draw_page(content, "pdf")
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"/FontFile2" in data  # TrueType: journals refuse Type 3
    assert b"CreationDate" not in data
    height, width = content.picture.shape[:2]
    assert f"/Width {width}".encode() in data
    assert f"/Height {height}".encode() in data
    text = _texts(data)
    for expected in (
        "Classe prédite",
        " de type",
        "0,0600 mm² (",
        " % du tissu)",
        f"Lame {SLIDE_ID}",
        f"modèle regions (version {MODEL_SHA256[:12]})",
        mapped.store.identity[:12],
        f"pathoai {__version__}",
        "Une prédiction, pas un diagnostic.",
    ):
        assert expected in text.replace("\n", " ") or expected in text


def test_no_name_and_no_path_is_in_a_figure(mapped: Mapped, generated: tuple[Path, object]) -> None:
    heatmap = Heatmap(MapChoice(MODEL))
    for kind in ("png", "pdf"):
        data = draw_heatmap(mapped.study, mapped.store, heatmap, kind)
        found = data + (_texts(data).encode() if kind == "pdf" else b"")
        for secret in (generated[0].stem, "DUPONT", "martin", mapped.study.path.parent.name):
            assert secret.encode() not in found
