"""What the public reads of a study: complete, masked, in two languages, and readable offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tomli_w

from pathoai.cli.commands import study as command
from pathoai.cli.main import main
from pathoai.errors import InvalidValueError, StudyError
from pathoai.privacy.opposition import note_opposition_applied
from pathoai.study.cohort import IncomingSlide
from pathoai.study.package_ledger import PackageRecord, record_package
from pathoai.study.study import Study
from pathoai.transparency.portal import write_portal
from pathoai.transparency.public_sheet import PublicSheet, transparency_json
from pathoai.transparency.sheet_page import write_study_sheet

_FILLED = {
    "purpose": "Teaching a program to outline tumours",
    "purpose_fr": "Apprendre à un programme à délimiter les tumeurs",
    "categories": "Digitised slides & grades",
    "recipients": "<none>",
    "rights": "Write to the hospital",
    "dpo_contact": "+33 1 00 00 00 00",
    "retention_until": "2045-01-01",
    "specialty": "Breast pathology",
    "study_type": "Retrospective",
    "responsible": "Head of pathology",
    "legal_basis": "GDPR 6.1.e, 9.2.j",
}


class _Page(HTMLParser):
    """Text by element, links, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.language, self.links, self.cells = "", list[str](), list[str]()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert not {"src", "onclick"} & set(values)  # nothing is loaded
        if tag == "html":
            self.language = values["lang"] or ""
        if tag == "a":
            self.links.append(values["href"] or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("dt", "dd", "td", "th", "a", "p", "h1"):
            self.cells.append(data)


def _fill(study: Study, **fields: str) -> Study:
    file = study.path / "study.toml"
    content = tomllib.loads(file.read_text("utf8"))
    content["study"] |= fields
    file.write_text(tomli_w.dumps(content), "utf8")
    return Study(study.path)


def _made(folder: Path, name: str, slides: int = 12, **fields: str) -> Study:
    study = Study.create(folder / name, ontology="breast", title=name)
    files = [folder / f"{name} {number}.tif" for number in range(slides)]
    for number, file in enumerate(files):
        file.write_bytes(f"{name} {number}".encode())
    study.add([IncomingSlide(file, patient=f"P{i % 3}") for i, file in enumerate(files)])
    return _fill(study, **_FILLED | fields)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    return _made(tmp_path, "Outlines")


def _build(study: Study, version: str, day: str) -> None:
    record_package(study, PackageRecord(version, "open", "0" * 64, day, {}))


def test_a_sheet_says_what_the_sheet_and_the_records_say(study: Study, tmp_path: Path) -> None:
    _build(study, "1.0.0", "2026-01-03")
    _build(study, "1.1.0", "2026-02-03")
    note_opposition_applied(study.path)
    study.model_path("unet").mkdir(parents=True)
    (study.model_path("unet") / "bundle.json").write_text("{}")
    write_study_sheet(study, tmp_path / "out")
    content = json.loads((tmp_path / "out/sheet.json").read_text("utf8"))
    assert content["purpose"] == {"en": _FILLED["purpose"], "fr": _FILLED["purpose_fr"]}
    assert content["not_stated"] == []
    assert content["records"] == {
        "slides": "12",
        "patients": "<11",
        "models": ["unet"],
        "packages": [
            {"version": "1.0.0", "tier": "open", "day": "2026-01-03"},
            {"version": "1.1.0", "tier": "open", "day": "2026-02-03"},
        ],
        "opposition_applied": date.today().isoformat(),
    }


def test_each_page_is_whole_and_in_its_language(study: Study, tmp_path: Path) -> None:
    write_study_sheet(study, tmp_path)
    french, english = (
        _Page((tmp_path / f"sheet.{x}.html").read_text("utf8")) for x in ("fr", "en")
    )
    assert (french.language, english.language) == ("fr", "en")
    assert {"Finalité", _FILLED["purpose_fr"], "<none>", "<11"} <= set(french.cells)
    assert {"Purpose", _FILLED["purpose"], "Digitised slides & grades"} <= set(english.cells)
    assert french.links == ["sheet.en.html", "sheet.json"]


def test_no_code_of_a_slide_or_patient_is_published(study: Study, tmp_path: Path) -> None:
    write_portal([study], tmp_path / "portal")
    written = "".join(p.read_text("utf8") for p in (tmp_path / "portal").rglob("*.*"))
    codes = {code for row in study.cohort for code in (row.slide_id, row.patient_id)}
    assert not [code for code in codes if code in written]


def test_a_sheet_that_is_not_filled_in_is_refused(study: Study, tmp_path: Path) -> None:
    bare = _fill(study, purpose="", purpose_fr="", rights="")
    with pytest.raises(StudyError, match=r"nothing for purpose, rights"):
        write_study_sheet(bare, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert PublicSheet.of(_fill(study, purpose_fr="Apprendre")).text("purpose", "en") == "Apprendre"


def test_the_same_study_gives_its_packages_the_same_sheet(study: Study) -> None:
    before = transparency_json(study)
    _build(study, "1.0.0", "2026-01-03")
    assert transparency_json(study) == before
    assert set(before["records"]) == {"slides", "patients", "models"}


def test_a_damaged_record_is_named(study: Study) -> None:
    _build(study, "1.0.0", "2026-01-03")
    (study.path / "packages" / "1.0.0-open.json").write_text("{}")
    with pytest.raises(StudyError, match="malformed record of a package"):
        PublicSheet.of(study)


# --- the sheet -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"retention_until": "soon"}, "not a day"),
        ({"retention_until": "2001-01-01"}, "too long, or not at all"),
        ({"retention_until": "2999-01-01"}, "too long, or not at all"),
        ({"year": "26"}, "not a year"),
        ({"dpo_contact": "dpo" + "@" + "hospital.example"}, "e-mail address"),
        ({"purposes": "a"}, "unexpected keyword argument 'purposes'"),
    ],
)
def test_what_a_sheet_may_not_say(study: Study, fields: dict[str, str], message: str) -> None:
    with pytest.raises(StudyError, match=f"malformed study sheet.*{message}"):
        _fill(study, **fields)


@pytest.mark.parametrize(("day", "kept"), [("2046-03-01", True), ("2046-03-02", False)])
def test_twenty_years_to_the_day(study: Study, day: str, kept: bool) -> None:
    if kept:
        assert _fill(study, created="2026-03-01T10:00:00+00:00", retention_until=day)
    else:
        with pytest.raises(StudyError):
            _fill(study, created="2026-03-01T10:00:00+00:00", retention_until=day)


def test_an_old_sheet_still_reads(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    keys = ("uuid", "title", "ontology", "created")
    values = ("0" * 8 + "-0000-0000-0000-" + "0" * 12, "Old", "breast", "2024-02-29T00:00:00+00:00")
    file.write_text(tomli_w.dumps({"study": dict(zip(keys, values, strict=True))}))
    sheet = Study(tmp_path).sheet
    assert (sheet.purpose, sheet.retention_until) == ("", "")
    assert PublicSheet.of(Study(tmp_path)).text("year", "fr") == "2024"


# --- the portal ----------------------------------------------------------------------------------


def test_a_portal_lists_studies_by_title_and_leads_to_their_sheets(
    study: Study, tmp_path: Path
) -> None:
    second = _made(tmp_path, "Grades", specialty="Cervix", year="2019", title_fr="Zones")
    write_portal([study, second], tmp_path / "portal")
    for name, order in (
        ("index.en.html", ["Grades", "Outlines"]),
        ("index.html", ["Outlines", "Zones"]),
    ):
        listed = _Page((tmp_path / "portal" / name).read_text("utf8"))
        assert [cell for cell in listed.cells if cell in order] == order
        assert {"Cervix", "2019"} <= set(listed.cells)
        assert all((tmp_path / "portal" / link).is_file() for link in listed.links)
        sheet = tmp_path / "portal" / next(link for link in listed.links if "/" in link)
        back = _Page(sheet.read_text("utf8")).links
        assert all((sheet.parent / link).is_file() for link in back)
    assert len(json.loads((tmp_path / "portal/studies.json").read_text("utf8"))) == 2


def test_a_portal_allows_its_own_script_and_nothing_else(study: Study, tmp_path: Path) -> None:
    write_portal([study], tmp_path / "portal")
    html = (tmp_path / "portal/index.html").read_text("utf8")
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html
    assert "http" not in html.replace("http-equiv", "")


def test_a_portal_of_a_bare_study_or_of_one_twice_is_refused(study: Study, tmp_path: Path) -> None:
    bare = Study.create(tmp_path / "bare", ontology="breast")
    with pytest.raises(StudyError, match="what the public is owed"):
        write_portal([study, bare], tmp_path / "portal")
    with pytest.raises(InvalidValueError, match="twice"):
        write_portal([study, study], tmp_path / "portal")
    assert not (tmp_path / "portal").exists()


def test_the_commands(
    study: Study,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pathoai.entry_points.names_in", lambda group: ("study",))
    monkeypatch.setattr("pathoai.entry_points.load", lambda group, name: command.COMMAND)
    assert main(["study", "sheet", str(study.path), str(tmp_path / "sheet")]) == 0
    assert main(["study", "portal", str(study.path), str(tmp_path / "portal")]) == 0
    assert "sheet.fr.html, sheet.en.html, sheet.json" in capsys.readouterr().out
    assert (tmp_path / "portal/index.html").is_file()
    assert main(["study", "sheet", str(tmp_path / "absent"), str(tmp_path / "sheet")]) == 1
