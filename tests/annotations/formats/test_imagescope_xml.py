"""ImageScope's files as ImageScope writes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
from shapely import Point, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.imagescope_xml import FORMAT
from tests.annotations.formats.conformance import FRAME, GOLDEN, SLIDE, annotation
from tests.annotations.formats.reading import read

SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100)]
INNER = [(20, 20), (40, 20), (40, 40), (20, 40)]


def _region(corners: Sequence[tuple[object, object]], **marks: object) -> str:
    marks = {"Id": 1, "Type": 0, "Zoom": 0.1, "Text": "", "NegativeROA": 0} | marks
    words = "".join(f' {name}="{value}"' for name, value in marks.items())
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0" />' for x, y in corners)
    return f"<Region{words}><Attributes/><Vertices>{vertices}</Vertices></Region>"


def _layer(*regions: str, name: str = "stroma", attributes: str = "", number: int = 1) -> str:
    return (
        f'<Annotation Id="{number}" Name="{name}" Type="4" LineColor="65280" Visible="1">'
        f"<Attributes>{attributes}</Attributes><Regions><RegionAttributeHeaders>"
        '<AttributeHeader Id="9999" Name="Region" ColumnWidth="-1" /></RegionAttributeHeaders>'
        f"{''.join(regions)}</Regions><Plots/></Annotation>"
    )


def _file(path: Path, *layers: str, mpp: str = "0.2500") -> Path:
    path.write_text(f'<Annotations MicronsPerPixel="{mpp}">{"".join(layers)}</Annotations>')
    return path


def test_a_negative_region_is_a_hole_wherever_it_stands(tmp_path: Path) -> None:
    hole, shell = _region(INNER, NegativeROA=1), _region(SQUARE)
    for regions in ((hole, shell), (shell, hole)):
        ((one,), _) = read("imagescope-xml", _file(tmp_path / "a.xml", _layer(*regions)))
        assert one.geometry.equals(box(0, 0, 100, 100) - box(20, 20, 40, 40))


def test_a_hole_is_not_cut_out_of_another_layer(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.xml",
        _layer(_region(SQUARE)),
        _layer(_region(INNER, NegativeROA=1), name="dcis", number=2),
    )
    with pytest.raises(AnnotationError, match=r"a\.xml region 2: a hole that lies in no outline"):
        read("imagescope-xml", path)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (_layer(_region(SQUARE)), "stroma"),
        (_layer(_region(SQUARE, Text="dcis"), name=""), "dcis"),
        (
            _layer(
                _region(SQUARE), name="", attributes='<Attribute Name="Description" Value="dcis"/>'
            ),
            "dcis",
        ),
        (
            _layer(_region(SQUARE), name="", attributes='<Attribute Name="lcis" Id="0" Value=""/>'),
            "lcis",
        ),
        (_layer(_region(SQUARE), name="", number=7), "necrosis"),
    ],
    ids=["name", "text", "description", "attribute", "number"],
)
def test_the_class_is_where_people_write_it(tmp_path: Path, layer: str, expected: str) -> None:
    path = _file(tmp_path / "a.xml", layer)
    ((one,), _) = read("imagescope-xml", path, classes={"layer 7": "necrosis"})
    assert one.label == expected


def test_a_text_that_is_not_the_class_is_told_as_lost(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _layer(_region(SQUARE, Text="see Dr Doe")))
    ((one,), report) = read("imagescope-xml", path)
    assert one.label == "stroma"
    assert report.lost == {"ImageScope's text of a region": 1}
    assert "Doe" not in " ".join(report.lines())


def test_ellipses_and_rectangles_by_their_box_and_arrows_not_at_all(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.xml",
        _layer(
            _region([(0, 0), (100, 50)], Type=2),
            _region([(200, 0), (300, 50)], Type=1),
            _region([(0, 0), (9, 9)], Type=3),
        ),
    )
    (ellipse, rectangle), report = read("imagescope-xml", path)
    assert ellipse.geometry.bounds == pytest.approx((0, 0, 100, 50))
    assert ellipse.geometry.area == pytest.approx(3.14159 * 50 * 25, rel=0.01)
    assert rectangle.geometry.equals(box(200, 0, 300, 50))
    assert report.lost == {
        "ImageScope's arrows and rulers": 1,
        "ellipses, which stay as polygons": 1,
    }


def test_a_file_of_another_scale_is_of_another_slide(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _layer(_region(SQUARE)), mpp="0.5")
    with pytest.raises(AnnotationError, match=r"another scale; found 0\.5 µm.*--mpp"):
        read("imagescope-xml", path)
    ((one,), _) = read("imagescope-xml", path, mpp=0.5)
    assert one.geometry.area == 200 * 200
    for stated in ("", "0", "0.2527"):
        assert read("imagescope-xml", _file(path, _layer(_region(SQUARE)), mpp=stated))[0]


@pytest.mark.parametrize(
    ("region", "error"),
    [
        (_region([]), "empty geometry"),
        (_region([(0, 0), ("a", 1)]), "malformed geometry"),
        (_region([(0, 0), (10, 10), (10, 0), (0, 10)]), "crosses itself"),
        (_region([(0, 0), (10, 0), ("nan", 9)]), "malformed geometry"),
    ],
)
def test_a_bad_region_is_named(tmp_path: Path, region: str, error: str) -> None:
    path = _file(tmp_path / "a.xml", _layer(_region(SQUARE), region))
    with pytest.raises(AnnotationError, match=f"region 2: .*{error}"):
        read("imagescope-xml", path)


def test_an_unknown_layer_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _layer(_region(SQUARE), name="Tumor"))
    with pytest.raises(OntologyError, match=r"region 1.*'Tumor'"):
        read("imagescope-xml", path)


def test_a_layer_has_the_class_s_colour_and_regions_their_size(tmp_path: Path) -> None:
    ontology, path = load_ontology("breast"), tmp_path / "a.xml"
    written = [annotation("a", "dcis", GOLDEN), annotation("b", "stroma", box(0, 0, 10, 20))]
    report = ExchangeReport("imagescope-xml")
    FORMAT.write(path, written, WritingContext(SLIDE, ontology, FRAME), report)
    dcis, stroma = ET.parse(path).getroot()
    red, green, blue = ontology["dcis"].rgb
    assert int(dcis.get("LineColor", "")) == red + 256 * green + 65536 * blue
    assert [r.get("NegativeROA") for r in dcis.iter("Region")] == ["0", "1"]
    (region,) = stroma.iter("Region")
    assert (float(region.get("Area", "")), float(region.get("Length", ""))) == (200, 60)


def test_a_measurement_that_xml_cannot_name_is_told_as_lost(tmp_path: Path) -> None:
    one = annotation("a", "dcis", GOLDEN, measurements={"a\x01": 1.0, "b": 2.0})
    report, path = ExchangeReport("imagescope-xml"), tmp_path / "a.xml"
    context = WritingContext(SLIDE, load_ontology("breast"), FRAME)
    assert FORMAT.write(path, [one, annotation("p", "dcis", Point(1, 1))], context, report) == 1
    assert report.lost == {"measurements": 1, "points": 1}
    ((back,), _) = read("imagescope-xml", path)
    assert back.measurements == {"b": 2.0}
