"""A package as others' validators judge it, offline.

They may lie in an environment of their own, since one of them asks for an older ``rich`` than the
project's tools: ``PATHOAI_VALIDATORS`` names its Python (``make test`` sets it); without it, the
Python that runs the tests is tried. Where they are missing these tests skip; in CI they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pydicom
import pytest

from tests.annotations.formats.dicom_files import complaints, missing_attributes

pytestmark = pytest.mark.long

_PYTHON = os.environ.get("PATHOAI_VALIDATORS") or sys.executable
_MODULES = [
    "bagit",
    "datacite",
    "dh_healthdcat",
    "frictionless",
    "mlcroissant",
    "ome_zarr_models",
    "pyshacl",
    "rocrate_validator",
]
_ASK = (
    "import sys; from importlib.util import find_spec; "
    "print(*(name for name in sys.argv[1:] if find_spec(name) is None))"
)
_START = Path(__file__).parent / "run_validator.py"
_JUDGE_DATACITE = (
    "import json, sys; from datacite import schema45; record = json.load(open(sys.argv[1])); "
    "schema45.validator.validate(record); print(schema45.tostring(record))"
)
_SHAPES = (
    "from importlib.resources import files; "
    "print(files('dh_healthdcat') / 'validate/shapes/hdap-validator-sensitivity-shape.ttl')"
)


@cache
def _missing() -> str:
    return _output(_python("-c", _ASK, *_MODULES)).strip()


@pytest.fixture(autouse=True)
def _validators() -> None:
    if missing := _missing():
        reason = f"validators are not installed (extra fair-check): {missing}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def _python(*words: object) -> subprocess.CompletedProcess[str]:
    # Colours and widths of terminals would hide what is said.
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
    command = [_PYTHON, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def _program(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    return _python(_START, name, *words)


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["made_of_tiled", "made_with_images"])
def bag(request: pytest.FixtureRequest) -> Path:
    """A package, not to be changed; in the open one small counts are hidden, and images are.

    Two of the three slides of the internal one have masks and DICOM files.
    """
    folder: Path = request.getfixturevalue(request.param)
    return folder / "package"


@pytest.fixture(scope="module")
def data(bag: Path) -> Path:
    """Its payload."""
    return bag / "data"


@pytest.fixture(scope="module")
def crate_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if _missing():
        return Path()  # the tests are skipped or fail for a reason of their own
    cache_path = tmp_path_factory.mktemp("crate") / "cache"
    _output(_python(Path(__file__).parent / "seed_crate_cache.py", cache_path))
    return cache_path


def _crate_issues(payload: Path, profile: str, crate_cache: Path, report: Path) -> list[str]:
    options = ("--offline", "--cache-path", crate_cache, "-l", "required", "--no-paging")
    where = ("-p", profile, "-f", "json", "-o", report)
    _program("rocrate-validator", "-y", "validate", payload, *options, *where)
    found = json.loads(report.read_text("utf8"))
    assert found["passed"] is (not found["issues"])
    return [f"{issue['check']['identifier']}: {issue['message']}" for issue in found["issues"]]


@pytest.mark.parametrize("profile", ["ro-crate-1.3", "process-run-crate-0.5"])
def test_the_crate_is_valid(data: Path, profile: str, crate_cache: Path, tmp_path: Path) -> None:
    assert _crate_issues(data, profile, crate_cache, tmp_path / "report.json") == []


def test_a_crate_without_licence_is_not(package: Path, crate_cache: Path, tmp_path: Path) -> None:
    _edit_json(package / "data/ro-crate-metadata.json", _without_licence)
    (issue, *_) = _crate_issues(
        package / "data", "ro-crate-1.3", crate_cache, tmp_path / "report.json"
    )
    assert "license" in issue


def _without_licence(crate: dict[str, object]) -> None:
    graph = crate["@graph"]
    assert isinstance(graph, list)
    (root,) = (entity for entity in graph if entity["@id"] == "./")
    del root["license"]


def _edit_json(path: Path, edit: Callable[[dict[str, object]], None]) -> None:
    content = json.loads(path.read_text("utf8"))
    edit(content)
    path.write_text(json.dumps(content), "utf8")


def test_croissant_is_valid_and_every_record_set_loads(data: Path) -> None:
    croissant = data / "croissant.json"
    _output(_program("mlcroissant", "validate", "--jsonld", croissant))
    record_sets = [one["@id"] for one in json.loads(croissant.read_text("utf8"))["recordSet"]]
    assert {"slides", "annotations", "annotators", "classes", "outlines"} <= {*record_sets}
    loaded = json.loads(_output(_python("-c", _LOAD, croissant, *record_sets)).splitlines()[-1])
    rows = {name: _rows(data, name) for name in record_sets if name != "outlines"}
    assert loaded == rows | {"outlines": rows["annotations"]}


_LOAD = """
import json, sys, mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
print(json.dumps({name: sum(1 for _ in dataset.records(name)) for name in sys.argv[2:]}))
"""


def _rows(data: Path, table: str) -> int:
    folder = "vocab" if table == "classes" else "tables"
    return (data / folder / f"{table}.csv").read_text("utf8").count("\n") - 1


def test_tables_are_what_the_datapackage_says(data: Path) -> None:
    _output(_program("frictionless", "validate", data / "datapackage.json"))


def test_a_class_that_is_not_in_the_dictionary_breaks_the_datapackage(package: Path) -> None:
    table = package / "data/tables/annotations.csv"
    table.write_text(table.read_text("utf8").replace(",dcis,", ",dcos,"), "utf8")
    done = _program("frictionless", "validate", package / "data/datapackage.json")
    assert done.returncode == 1
    assert "foreign-key" in done.stdout


def test_the_bag_is_valid(bag: Path) -> None:
    _output(_python("-m", "bagit", "--validate", bag))


def test_the_health_record_has_the_shapes_of_the_health_data_hub(data: Path) -> None:
    shapes = _output(_python("-c", _SHAPES)).strip()
    record = data / "catalogue/healthdcat-ap.ttl"
    assert "Conforms: True" in _output(_program("pyshacl", "--advanced", "-s", shapes, record))


def test_a_health_record_without_place_has_not(package: Path) -> None:
    shapes = _output(_python("-c", _SHAPES)).strip()
    record = package / "data/catalogue/healthdcat-ap.ttl"
    lines = record.read_text("utf8").splitlines(keepends=True)
    record.write_text("".join(line for line in lines if "dct:spatial" not in line), "utf8")
    done = _program("pyshacl", "--advanced", "-s", shapes, record)
    assert "at least one dct:spatial" in done.stdout


def test_the_doi_record_is_valid_and_its_xml_is_what_the_library_writes(data: Path) -> None:
    theirs = _output(_python("-c", _JUDGE_DATACITE, data / "catalogue/datacite.json"))
    ours = (data / "catalogue/datacite.xml").read_text("utf8")
    assert _elements(ours) - _elements(theirs) == {("identifier", "(:tba)", "DOI")}
    assert _elements(theirs) <= _elements(ours)


def _elements(xml: str) -> set[tuple[str, ...]]:
    """Every element with its text and its attributes; their order says nothing in this schema."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(xml.encode("utf8"))
    return {
        (e.tag.rpartition("}")[2], (e.text or "").strip(), *sorted(e.attrib.values()))
        for e in root.iter()
        if e is not root
    }


# --- masks and DICOM files -----------------------------------------------------------------------


def test_masks_are_ome_zarr(data: Path) -> None:
    stores = sorted((data / "masks").iterdir())
    assert stores
    labels = [label for store in stores for label in (store, store / "instance")]
    said = _output(_program("ome-zarr-models", "validate", "--each", *labels))
    assert said.count("Valid") == len(labels)


def test_a_mask_without_version_is_not(derived_package: Path) -> None:
    store = min((derived_package / "data/masks").iterdir())
    _edit_json(store / "zarr.json", _without_version)
    assert _program("ome-zarr-models", "validate", store).returncode != 0


def _without_version(text: dict[str, object]) -> None:
    attributes = text["attributes"]
    assert isinstance(attributes, dict)
    del attributes["ome"]["version"]


def test_dicom_files_keep_the_standard(data: Path) -> None:
    if os.environ.get("CI"):
        assert shutil.which("dciodvfy"), "dicom3tools is not installed"
    files = sorted((data / "annotations/dicom").iterdir())
    assert len(files) == 3 * len(list((data / "masks").iterdir()))
    for path in files:
        assert complaints(path) == []
        assert missing_attributes(pydicom.dcmread(path)) == []
