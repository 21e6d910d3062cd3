from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai_annotations.package.catalogue.turtle import blank, document, iri, literal, name


def test_terms_are_escaped() -> None:
    assert literal('a "b"\\\n\tc\x01') == '"a \\"b\\"\\\\\\n\\tc\\u0001"'
    assert literal("é", language="fr") == '"é"@fr'
    assert literal(3, datatype="xsd:integer") == '"3"^^xsd:integer'
    assert iri("urn:a b<c>") == "<urn:a%20b%3Cc%3E>"


def test_a_document_has_prefixes_subjects_and_nested_nodes() -> None:
    node = blank([("a", name("ex:Thing")), ("ex:of", [literal(1), literal(2)])])
    text = document({"ex": "urn:ex#"}, [(iri("urn:a"), [("ex:has", node)])])
    assert text == (
        '@prefix ex: <urn:ex#> .\n\n<urn:a>\n    ex:has [ a ex:Thing ; ex:of "1", "2" ] .\n'
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_a_reader(text: str) -> None:
    rdflib = pytest.importorskip("rdflib")
    importlib.import_module("rdflib.plugins.parsers.notation3")
    graph = rdflib.Graph().parse(
        data=document({"ex": "urn:ex#"}, [(iri("urn:a"), [("ex:says", literal(text))])]),
        format="turtle",
    )
    ((_, _, found),) = graph
    assert str(found) == text
