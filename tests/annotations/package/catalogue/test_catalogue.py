from __future__ import annotations

import csv
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from pathoai.ontology import load_ontology, shipped_ontologies
from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.class_chart import class_chart
from pathoai_annotations.package.catalogue.skos import scheme_iri, skos_text
from pathoai_annotations.package.table import TABLES


@pytest.fixture(scope="module")
def data(made: Path) -> Path:
    """The payload of a package, not to be changed."""
    return made / "package" / "data"


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf8"))
    return content


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_datapackage_describes_every_table_as_it_is(data: Path) -> None:
    resources = {one["name"]: one for one in _json(data / layout.DATAPACKAGE)["resources"]}
    there = {table.name: table for table in TABLES if (data / table.path).exists()}
    assert {*resources} == {*there}
    for name, table in there.items():
        path = data / table.path
        with path.open(newline="", encoding="utf8") as file:
            header = next(csv.reader(file))
        assert [field["name"] for field in resources[name]["schema"]["fields"]] == header
        assert resources[name]["hash"] == f"sha256:{_sha256(path)}"
        assert resources[name]["bytes"] == path.stat().st_size


def test_croissant_states_the_hash_of_every_file_it_names(data: Path) -> None:
    croissant = _json(data / layout.CROISSANT)
    files = [one for one in croissant["distribution"] if one["@type"] == "cr:FileObject"]
    assert {layout.SLIDES, layout.ANNOTATIONS, layout.DATAPACKAGE} <= {f["@id"] for f in files}
    for file in files:
        assert file["sha256"] == _sha256(data / file["contentUrl"])
    card = {key for key in croissant if key.startswith("rai:")}
    assert {"rai:dataLimitations", "rai:dataBiases", "rai:personalSensitiveInformation"} <= card


@pytest.mark.parametrize("ontology", shipped_ontologies())
def test_the_scheme_holds_every_class_its_codes_and_its_names(ontology: str) -> None:
    rdflib = pytest.importorskip("rdflib")
    classes = load_ontology(ontology)
    graph = rdflib.Graph().parse(data=skos_text(classes), format="turtle")
    skos = rdflib.SKOS
    concepts = set(graph.subjects(rdflib.RDF.type, skos.Concept))
    assert len(concepts) == len(classes.classes)
    for label in classes.classes:
        concept = rdflib.URIRef(f"{scheme_iri(classes)}#{label.key}")
        names = {(n.language, str(n)) for n in graph.objects(concept, skos.prefLabel)}
        assert names == {("en", label.name), ("fr", label.name_fr)}
        matches = {str(match) for match in graph.objects(concept, skos.exactMatch)}
        assert len(matches) == len(label.codings)
        assert all(any(m.endswith(c.code) for m in matches) for c in label.codings)
        assert {d.language for d in graph.objects(concept, skos.definition)} == {"en", "fr"}
        assert graph.value(concept, rdflib.RDF.value).toPython() == label.index
        parent = graph.value(concept, skos.broader)
        assert (None if parent is None else str(parent).rpartition("#")[2]) == label.parent
        for coding in label.codings:
            notes = [str(n) for n in graph.objects(concept, skos.editorialNote)]
            assert any(coding.code in note and coding.source in note for note in notes)


def test_the_citation_is_yaml_with_title_authors_and_licence(data: Path) -> None:
    citation = yaml.safe_load((data / layout.CITATION).read_text("utf8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "dataset"
    assert citation["title"] == "Outlines of tumours"
    assert citation["license"] == "CC-BY-4.0"
    assert {"name": "Annotator R1"} in citation["authors"]
    assert citation["identifiers"][0]["value"].startswith("urn:uuid:")


def test_the_xml_record_is_well_formed_and_asks_for_a_doi(data: Path) -> None:
    root = ElementTree.fromstring((data / layout.DATACITE_XML).read_bytes())
    assert root.tag == "{http://datacite.org/schema/kernel-4}resource"
    assert root.findtext("{*}identifier") == "(:tba)"
    assert root.findtext("{*}titles/{*}title") == "Outlines of tumours"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for key, value in attrs if key == "href" and value]


def test_the_page_shows_the_classes_and_how_to_cite_and_its_links_lead_somewhere(
    data: Path,
) -> None:
    page = (data / layout.LANDING_PAGE).read_text("utf8")
    assert "<svg" in page
    assert "Ductal carcinoma in situ" in page
    assert "How to cite" in page
    links = _Links()
    links.feed(page)
    local = [target for target in links.targets if not re.match(r"https?:", target)]
    assert local
    assert [target for target in local if not (data / target).is_file()] == []


def test_the_chart_tells_numbers_to_screen_readers_and_hides_masked_lengths() -> None:
    chart = class_chart([("A & B", "#ffffff", "20"), ("C", "#000000", "<11")])
    assert "<desc>A &amp; B: 20; C: &lt;11</desc>" in chart
    widths = re.findall(r'width="(\d+)" height="18" fill="([^"]+)"', chart)
    assert widths == [("340", "#ffffff"), ("17", "url(#masked)")]
    ElementTree.fromstring(chart)
    assert class_chart([]) == ""


def test_the_health_record_has_what_release_8_asks_beyond_the_french_shapes(data: Path) -> None:
    rdflib = pytest.importorskip("rdflib")
    graph = rdflib.Graph().parse(data / layout.HEALTHDCAT, format="turtle")
    dcat, dct = rdflib.DCAT, rdflib.DCTERMS
    csvw = rdflib.Namespace("http://www.w3.org/ns/csvw#")
    health = rdflib.Namespace("http://healthdataportal.eu/ns/health#")
    contact = rdflib.URIRef("http://data.europa.eu/m8g/contactPoint")
    custodian = rdflib.URIRef("http://data.europa.eu/930/custodian")
    legislation = rdflib.URIRef("http://data.europa.eu/r5r/applicableLegislation")
    (dataset,) = graph.subjects(rdflib.RDF.type, dcat.Dataset)
    assert graph.value(dataset, health.hasStructuredData).toPython() is True
    for role in (health.hdab, dct.publisher, custodian):
        (agent,) = graph.objects(dataset, role)
        assert len(list(graph.objects(agent, contact))) == 1
    for distribution in graph.subjects(rdflib.RDF.type, dcat.Distribution):
        assert (distribution, legislation, None) in graph
    (group,) = graph.objects(dataset, health.hasVariables)
    assert (group, dct.title, None) in graph
    tables = list(graph.objects(group, csvw.table))
    assert len(tables) == sum((data / table.path).exists() for table in TABLES)
    for column in graph.subjects(rdflib.RDF.type, csvw.Column):
        for said in (csvw.name, csvw.datatype, csvw.title, csvw.titles, dct.description):
            assert len(list(graph.objects(column, said))) == 1
