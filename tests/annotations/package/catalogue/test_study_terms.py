"""What catalogues are told of the study behind a package, and what the public is."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
import tomli_w

from pathoai.errors import InvalidValueError, PackageError
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.study.study_sheet import StudySheet
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.catalogue.transparency import _shown
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.study_terms import StudyTerms
from pathoai_annotations.package.tier import Tier

_SHEET = ("6f7d6f0e-0000-4000-8000-000000000000", "Title", "breast", "2026-01-01")


def _filled(study: Study, **fields: str) -> Study:
    """The study with other fields in its sheet."""
    import tomllib

    path = study.path / "study.toml"
    content = tomllib.loads(path.read_text("utf8"))
    content["study"] |= fields
    path.write_text(tomli_w.dumps(content), "utf8")
    return Study(study.path)


def _package(study: Study, out: Path, tier: Tier) -> Path:
    release = Release(tier, "DM1", date(2026, 1, 31), with_images=False)
    return build_package(study, out, approval=release).path / "data"


def test_the_record_says_what_the_study_sheet_does(study: Study, tmp_path: Path) -> None:
    filled = _filled(
        study,
        publisher_page="https://www.hospital.example",
        publisher_contact="https://www.hospital.example/data",
        country="BEL",
        health_category="RQSH",
        health_theme="REPRODUCTIVE_HEALTH",
        legal_basis="GDPR 6.1.e, 9.2.j",
        purpose="Finding tumours",
        retention_until="2040-12-31",
    )
    data = _package(filled, tmp_path / "package", Tier.CONTROLLED)
    record = (data / layout.HEALTHDCAT).read_text("utf8")
    for stated in (
        'foaf:name "University Hospital"',
        "foaf:homepage <https://www.hospital.example>",
        "cv:contactPage <https://www.hospital.example/data>",
        "country/BEL>",
        "healthcategories/RQSH>",
        "health-theme/REPRODUCTIVE_HEALTH>",
        "gdpr#A6-1-e>, <https://w3id.org/dpv/legal/eu/gdpr#A9-2-j>",
        'dct:description "Finding tumours"',
        'dcat:endDate "2040-12-31"',
        "dataset-type/PERSONAL_DATA>",
        "pd:MedicalHealth",
        "coding-system/NCIT>",
        'foaf:name "Health data access body of BEL"',
    ):
        assert stated in record
    datacite = json.loads((data / layout.DATACITE).read_text("utf8"))
    assert datacite["publisher"] == {"name": "University Hospital"}
    assert "University Hospital. urn:uuid:" in (data / layout.README).read_text("utf8")


def test_open_data_are_anonymous_and_need_no_legal_basis(study: Study, tmp_path: Path) -> None:
    data = _package(_filled(study, legal_basis="GDPR 6.1.e"), tmp_path / "package", Tier.OPEN)
    record = (data / layout.HEALTHDCAT).read_text("utf8")
    assert "dataset-type/OTHER>" in record
    assert "PERSONAL_DATA" not in record
    assert "hasPersonalData" not in record
    assert "hasLegalBasis" not in record
    assert "numberOfRecords" not in record  # 3 annotations: masked
    assert "health-data-hub" in record


def test_what_leaves_must_say_who_publishes_it(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    unnamed = _filled(study, publisher="")
    with pytest.raises(PackageError, match="which one publishes it") as error:
        _package(unnamed, tmp_path / "package", Tier.OPEN)
    assert 'publisher = "' in str(error.value)
    inside = build_package(unnamed, tmp_path / "package", approval=approval).path
    assert "The institution of the study" in (inside / "data" / layout.HEALTHDCAT).read_text("utf8")


@pytest.mark.parametrize(
    ("words", "articles"),
    [
        ("GDPR 6.1.e, 9.2.j", ("A6-1-e", "A9-2-j")),
        ("RGPD, articles 6(1)(e) et 9(2)(j)", ("A6-1-e", "A9-2-j")),
        ("consent of the patients", ()),
    ],
)
def test_articles_are_read_from_words(words: str, articles: tuple[str, ...]) -> None:
    sheet = StudySheet(*_SHEET, legal_basis=words)
    assert StudyTerms.of(sheet, Tier.INTERNAL).articles == articles


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "France"),
        ("health_category", "biobanks"),
        ("publisher_page", "www.hospital.example"),
        ("publisher_contact", "data" + "@" + "hospital.example"),
        ("publisher", "data" + "@" + "hospital.example"),
    ],
)
def test_what_no_catalogue_reads_is_refused(field: str, value: str) -> None:
    with pytest.raises(InvalidValueError, match=re.compile("catalogue|e-mail")):
        StudySheet(*_SHEET, **{field: value})


def test_the_public_is_told_what_the_sheet_says_and_no_identity_of_the_study(
    study: Study, tmp_path: Path
) -> None:
    filled = _filled(study, purpose="Finding tumours", purpose_fr="Trouver les tumeurs")
    data = _package(filled, tmp_path / "package", Tier.OPEN)
    text = (data / layout.TRANSPARENCY).read_text("utf8")
    told = json.loads(text)
    assert told["purpose"] == {"fr": "Trouver les tumeurs", "en": "Finding tumours"}
    assert told["publisher"] == "University Hospital"
    assert (told["tier"], told["records"]["patients"]) == ("open", "<11")
    assert study.sheet.uuid not in text


def test_the_same_state_of_a_study_tells_the_same_whatever_was_packaged_before(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    paths = [
        build_package(study, tmp_path / name, approval=approval).path / "data" / layout.TRANSPARENCY
        for name in ("first", "second")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_count_of_the_study_does_not_tell_how_few_are_left_out(
    study: Study, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHOAI_VAULT", str(made / "vault"))
    files = [tmp_path / f"more {number}.tif" for number in range(15)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 99)
    study.add([IncomingSlide(file, patient=f"P{n}") for n, file in enumerate(files)])
    data = _package(study, tmp_path / "package", Tier.OPEN)
    records = json.loads((data / layout.TRANSPARENCY).read_text("utf8"))["records"]
    assert records["slides"] == "17"  # 15 are left out
    assert _shown(17, 12) == ">=11"
    assert _shown(17, 17) == "17"
    assert _shown(9, 2) == "<11"
