"""Every text format passes what every format passes."""

from __future__ import annotations

from dataclasses import replace

from pathoai.ontology import Ontology, load_ontology
from pathoai_annotations.annotation import Annotation
from tests.annotations.formats.conformance import FormatConformance


class TestGeoJson(FormatConformance):
    name, suffix = "geojson", ".geojson"


class TestCompressedGeoJson(FormatConformance):
    name, suffix = "geojson", ".geojson.gz"


class TestAsapXml(FormatConformance):
    name, suffix = "asap-xml", ".xml"


class TestImageScopeXml(FormatConformance):
    name, suffix = "imagescope-xml", ".xml"


class TestTissueNet(FormatConformance):
    name, suffix = "tissuenet", ".csv"
    ontology, other_ontology = load_ontology("cervix"), load_ontology("breast")
    area_label = "hsil"
    grades = ("benign", "lsil", "hsil", "cin2", "cin3", "ais", "invasive", "invasive_scc")

    def samples(self) -> list[Annotation]:
        """Classes with a grade: the format has no others."""
        pairs = zip(super().samples(), self.grades, strict=True)
        return [replace(annotation, label=label) for annotation, label in pairs]

    def survives_cutting(self, part: bytes) -> bool:
        """A table may end after any whole row, and its last cell is one sign."""
        return part.rsplit(b"\n", 1)[-1][-2:-1] in (b",", b"") or part.endswith(b"annotation_class")


class TestPointsInPixels(FormatConformance):
    name, suffix = "points-csv", ".csv"
    other_ontology = Ontology("none", "1", "Nothing", (load_ontology("breast")["background"],))

    def survives_cutting(self, part: bytes) -> bool:
        """A table may end after any whole row; a number cut short is a number."""
        return part.rsplit(b"\n", 1)[-1].count(b",") in (0, 4) or part.count(b"\n") == 0


class TestPointsInMicrometres(TestPointsInPixels):
    name, suffix = "points-csv-um", ".csv"
