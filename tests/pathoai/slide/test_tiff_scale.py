"""The scale that a TIFF slide states: OME-XML, then Aperio's text, then resolution tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from pathoai.errors import DamagedSlideError, ImplausibleMppError, MissingMppError
from pathoai.geometry import Mpp
from pathoai.slide.mpp_gate import check_mpp
from pathoai.slide.ome_xml import read_ome_xml
from pathoai.slide.open_slide import open_slide
from pathoai.slide.tiff_reader import TiffBackend

_OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="20.0"/>'
    '</Instrument><Image ID="Image:0" Name="DUPONT Jeanne"><Pixels ID="Pixels:0" SizeC="3" '
    'SizeT="1" SizeZ="1" {size}/></Image></OME>'
)


def _stated(tmp_path: Path, **options: Any) -> tuple[str | None, str | None]:  # noqa: ANN401 - tifffile's
    path = tmp_path / "x.tif"
    options = {"photometric": "rgb", "metadata": None, "tile": (16, 16)} | options
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), **options)
    return TiffBackend().describe(path).stated_mpp


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("0.2525", "µm", "0.2525"),
        ("0.2525", None, "0.2525"),
        ("252.5", "nm", "0.2525"),
        ("0.0002525", "mm", "0.2525"),
        ("2525", "Å", "0.2525"),
        ("1", "pixel", None),
        ("1", "reference frame", None),
        ("1", "parsec", None),
        ("0,25", "nm", "0,25"),
    ],
)
def test_ome_xml_states_the_scale_in_its_unit(value: str, unit: str | None, text: str) -> None:
    sizes = [
        f'PhysicalSize{axis}="{value}"' + (f' PhysicalSize{axis}Unit="{unit}"' if unit else "")
        for axis in "XY"
    ]
    found = read_ome_xml(_OME.format(size=" ".join(sizes)))
    assert found.stated_mpp == (text, text)
    assert found.objective_power == "20.0"


def test_ome_xml_goes_before_the_resolution_tags(tmp_path: Path) -> None:
    description = _OME.format(size='PhysicalSizeX="0.5" PhysicalSizeY="0.51"')
    tags = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
    assert _stated(tmp_path, description=description.encode(), **tags) == ("0.5", "0.51")
    alone = _OME.format(size="")
    assert _stated(tmp_path, description=alone.encode(), **tags) == ("0.25", "0.25")


def test_aperio_states_it_in_its_text(tmp_path: Path) -> None:
    text = "Aperio Image Library v12\r\n64x64|AppMag = 40|MPP = 0.2520|Left = 25"
    tags = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
    assert _stated(tmp_path, description=text, **tags) == ("0.2520", "0.2520")


@pytest.mark.parametrize(
    ("resolution", "unit", "text"),
    [
        ((40_000, 20_000), "CENTIMETER", ("0.25", "0.5")),
        ((101_600, 101_600), "INCH", ("0.25", "0.25")),
        ((40_000, 40_000), "NONE", (None, None)),
        ((0, 0), "CENTIMETER", (None, None)),
    ],
)
def test_resolution_tags_count_in_their_unit(
    tmp_path: Path,
    resolution: tuple[int, int],
    unit: str,
    text: tuple[str | None, str | None],
) -> None:
    assert _stated(tmp_path, resolution=resolution, resolutionunit=unit) == text


def test_the_resolution_of_a_screen_is_no_scale(tmp_path: Path) -> None:
    """Writers that know no scale put 72 per inch."""
    stated = _stated(tmp_path, resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(ImplausibleMppError, match="coarser than any"):
        check_mpp(stated, None)


def test_a_real_unit_that_is_wrong_by_100_is_refused_and_not_mended(real_data: Path) -> None:
    for name in ("CMU-1-Small-Region.jp2.tiff", "CMU-1-Small-Region.webp.tiff"):
        path = real_data / "wsi" / name
        with pytest.raises(ImplausibleMppError, match=r"0\.00499.*--mpp"):
            open_slide(path)
        with open_slide(path, mpp=Mpp.square(0.499)) as reader:
            assert reader.info.mpp == Mpp.square(0.499)


def test_real_ome_tiffs_state_their_scale_or_none(real_data: Path) -> None:
    with open_slide(real_data / "wsi" / "openslide_crops" / "OS-2-vsi.ome.tif") as reader:
        assert reader.info.mpp.x == pytest.approx(0.346053, abs=1e-6)
    (path,) = (real_data / "wsi" / "ome").glob("*LZW*")
    with pytest.raises(MissingMppError, match="--mpp"):
        open_slide(path)


@pytest.mark.parametrize(
    "text",
    [
        "<OME",
        "<OME><Image><Pixels SizeZ='many'/></Image></OME>",
        '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><OME>&c;</OME>',
    ],
)
def test_malformed_or_hostile_xml_is_our_error_and_is_not_quoted(text: str) -> None:
    with pytest.raises(DamagedSlideError, match="OME-XML"):
        read_ome_xml(text)


def test_deep_xml_ends_in_our_error_or_in_nothing_stated() -> None:
    assert read_ome_xml("<a>" * 50_000 + "</a>" * 50_000).stated_mpp == (None, None)


def test_texts_of_the_file_are_told_to_nobody(tmp_path: Path) -> None:
    """The image's name, and Aperio's list, can hold a patient's name."""
    path = tmp_path / "x.ome.tif"
    text = _OME.format(size='PhysicalSizeX="0.5" PhysicalSizeY="0.5"')
    pixels = np.zeros((64, 64, 3), np.uint8)
    options: dict[str, Any] = {"photometric": "rgb", "tile": (16, 16), "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, description=text.encode(), **options)
        writer.write(pixels[:32], description="Aperio\r\nDUPONT 12x12", **options)
    description = TiffBackend().describe(path)
    assert "DUPONT" not in repr(description)
    assert list(description.associated_images) == ["picture 1"]
