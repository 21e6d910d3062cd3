from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pathoai.errors import PackageError
from pathoai_annotations.package.publish import Depositor, deposit_files, write_deposit
from pathoai_annotations.package.tier import Tier
from tests.annotations.package.mutations import reseal, seal_bag, sha256

_DEPOSITOR = Depositor("CHU d'Ici & Là", "donnees@chu.example", "10.57745/ABC123")


@pytest.fixture
def record(made: Path) -> dict[str, Any]:
    text = (made / "package/data/catalogue/datacite.json").read_text("utf8")
    record: dict[str, Any] = json.loads(text)
    return record


def _fields(dataverse: str) -> dict[str, Any]:
    version = json.loads(dataverse)["datasetVersion"]
    return {f["typeName"]: f["value"] for f in version["metadataBlocks"]["citation"]["fields"]}


def test_the_records_name_institution_and_doi(record: dict[str, Any]) -> None:
    files = deposit_files(record, Tier.OPEN, _DEPOSITOR)
    assert json.loads(files["datacite.json"])["publisher"] == {"name": "CHU d'Ici & Là"}
    assert '<identifier identifierType="DOI">10.57745/ABC123</identifier>' in files["datacite.xml"]
    assert "<publisher>CHU d'Ici &amp; Là</publisher>" in files["datacite.xml"]
    assert json.loads(files["zenodo.json"])["metadata"]["doi"] == "10.57745/ABC123"
    fields = _fields(files["dataverse.json"])
    assert fields["datasetContact"][0]["datasetContactEmail"]["value"] == "donnees@chu.example"
    assert fields["title"] == record["titles"][0]["title"]


def test_an_open_package_has_a_licence_and_a_controlled_one_conditions(
    record: dict[str, Any],
) -> None:
    opened = json.loads(deposit_files(record, Tier.OPEN, _DEPOSITOR)["zenodo.json"])["metadata"]
    assert (opened["access_right"], opened["license"]) == ("open", "cc-by-4.0")
    files = deposit_files(record, Tier.CONTROLLED, _DEPOSITOR)
    controlled = json.loads(files["zenodo.json"])["metadata"]
    assert controlled["access_right"] == "restricted"
    assert "license" not in controlled
    assert "donnees@chu.example" in controlled["access_conditions"]
    assert json.loads(files["dataverse.json"])["datasetVersion"]["fileAccessRequest"] is True


def test_an_internal_package_is_refused_and_nothing_is_written(
    package: Path, tmp_path: Path
) -> None:
    with pytest.raises(PackageError, match="internal package"):
        write_deposit(package, tmp_path / "deposit", _DEPOSITOR)
    assert not (tmp_path / "deposit").exists()


def test_a_damaged_package_is_refused(package: Path, tmp_path: Path) -> None:
    (package / "data/README.md").write_text("other", "utf8")
    with pytest.raises(PackageError, match="does not verify"):
        write_deposit(package, tmp_path / "deposit", _DEPOSITOR)


@pytest.mark.parametrize(
    ("institution", "contact", "doi", "what"),
    [
        (" ", "a@b.fr", "", "institution"),
        ("CHU", "nobody", "", "e-mail"),
        ("CHU", "a@b.fr", "zenodo.1", "DOI"),
    ],
)
def test_what_a_repository_would_refuse_is_refused(
    institution: str, contact: str, doi: str, what: str
) -> None:
    with pytest.raises(PackageError, match=what):
        Depositor(institution, contact, doi)


def test_a_record_of_other_types_is_refused_and_nothing_is_written(
    imaged: Path, tmp_path: Path
) -> None:
    record = imaged / "data/catalogue/datacite.json"
    before = sha256(record)
    record.write_text('{"titles": "none"}', "utf8")
    for other in (imaged / "data/croissant.json", imaged / "data/datapackage.json"):
        other.write_text(other.read_text("utf8").replace(before, sha256(record)), "utf8")
    reseal(imaged)
    approval = json.loads((imaged / "approval.json").read_text("utf8"))
    approval["manifest_sha256"] = sha256(imaged / "manifest-sha256.txt")
    (imaged / "approval.json").write_text(json.dumps(approval), "utf8")
    seal_bag(imaged)
    with pytest.raises(PackageError, match=r"catalogue/datacite\.json: the DataCite record is not"):
        write_deposit(imaged, tmp_path / "deposit", _DEPOSITOR)
    assert not (tmp_path / "deposit").exists()
