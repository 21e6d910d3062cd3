"""XML of anyone: read as a stream, and never expanded."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.xml_events import End, Start, attribute, is_xml_text, xml_events
from tests.annotations.formats.reading import read

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
LAUGHTER = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("name", ["asap-xml", "imagescope-xml"])
@pytest.mark.parametrize(("head", "entity"), [(LAUGHTER, "l11"), (OUTSIDE, "f")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_before_anything_is_expanded(
    tmp_path: Path, name: str, head: str, entity: str, encoding: str
) -> None:
    root = "ASAP_Annotations" if name == "asap-xml" else "Annotations"
    path = tmp_path / "a.xml"
    text = head.replace("DOCTYPE r", f"DOCTYPE {root}")
    path.write_text(f"{text}<{root}>&{entity};</{root}>", encoding)
    with pytest.raises(AnnotationError, match=r"a\.xml: not a.*a document type") as refusal:
        read(name, path)
    assert "root:" not in str(refusal.value)


def test_elements_begin_and_end_in_order_across_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    inner = "".join(f'<i n="{i}"/>' for i in range(200_000))
    path.write_text(f"<r>{inner}</r>")
    events = list(xml_events(path, "r", "test"))
    assert events[:3] == [Start("r"), Start("i", {"n": "0"}), End("i")]
    assert events[-1] == End("r")
    numbers = [e.attributes["n"] for e in events if isinstance(e, Start) and e.tag == "i"]
    assert numbers == [str(i) for i in range(200_000)]


@pytest.mark.parametrize(
    "text",
    ["<r>", "<r/><r/>", "<r></s>", "no xml", '<?xml version="1.0" encoding="klingon"?><r/>'],
)
def test_what_is_no_xml_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"a\.xml: not a test file"):
        list(xml_events(path, "r", "test"))


def test_another_root_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<html/>")
    with pytest.raises(AnnotationError, match="found <html>; allowed: <r>"):
        list(xml_events(path, "r", "test"))


def test_signs_of_xml_in_a_value_are_written_so_that_they_come_back(tmp_path: Path) -> None:
    path, value = tmp_path / "a.xml", "<\"'&µ\n\t>"
    path.write_text(f"<r{attribute('v', value)}/>", "utf8")
    first = next(xml_events(path, "r", "test"))
    assert first == Start("r", {"v": value})
    assert is_xml_text(value)
    assert not is_xml_text("a\x01")
