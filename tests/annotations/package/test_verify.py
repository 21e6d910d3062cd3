"""Every alteration of a package has a finding of its own.

Each test changes one thing. ``_seal`` makes the bag and the crate agree with an altered file, as
someone would who wants to hide it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, PackageError
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import close_bag
from pathoai_annotations.package.verify import verify_package


def _seal(package: Path) -> None:
    info = dict(line.split(": ", 1) for line in (package / "bag-info.txt").read_text().splitlines())
    crate_path = package / "data" / layout.CRATE
    crate = json.loads(crate_path.read_text())
    for entity in crate["@graph"]:
        path = package / "data" / entity["@id"]
        if entity["@type"] == "File" and path.is_file():
            entity["sha256"] = sha256_of_file(path)
    crate_path.write_text(json.dumps(crate))
    close_bag(package, info)


def _replace(package: Path, name: str, old: str, new: str) -> None:
    path = package / "data" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _geojson(package: Path) -> str:
    (path,) = (package / "data" / layout.GEOJSON_FOLDER).iterdir()
    return path.relative_to(package / "data").as_posix()


def _checks(package: Path) -> set[str]:
    return {finding.check for finding in verify_package(package).findings}


def test_a_missing_file_is_found(package: Path) -> None:
    (package / "data" / layout.ANNOTATORS).unlink()

    found = [f for f in verify_package(package).findings if f.check == "missing-file"]

    assert {f.where for f in found} == {layout.ANNOTATORS}


@pytest.mark.parametrize("name", ["data/tables/patients.csv", "notes.txt"])
def test_an_extra_file_is_found(package: Path, name: str) -> None:
    (package / name).write_text("more")

    found = [f for f in verify_package(package).findings if f.check == "extra-file"]

    assert [f.where for f in found] == [name.removeprefix("data/")]


def test_a_wrong_byte_is_found(package: Path) -> None:
    path = package / "data" / layout.LICENCE
    path.write_bytes(path.read_bytes()[:-1] + b" ")

    found = [f for f in verify_package(package).findings if f.check == "wrong-hash"]

    assert {f.where for f in found} == {layout.LICENCE}
    assert len(found) == 2  # the bag and the crate each hold its hash


def test_a_wrong_byte_in_the_bags_own_files_is_found(package: Path) -> None:
    info = package / "bag-info.txt"
    info.write_text(info.read_text().replace("2026", "2025"))

    assert "wrong-hash" in _checks(package)


def test_a_file_that_the_crate_does_not_declare_is_found(package: Path) -> None:
    (package / "data" / "tables" / "patients.csv").write_text("a,b\n")
    _seal(package)

    assert _checks(package) == {"undeclared"}


def test_a_class_that_is_not_in_the_vocabulary_is_found(package: Path) -> None:
    _replace(package, layout.CLASSES, "3,dcis,", "3,dcis_other,")
    _seal(package)

    assert "unknown-class" in _checks(package)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ask jane.doe@hospital.example", "e-mail"),
        ("from /home/jdoe/slides/a.svs", "absolute path"),
        (r"from C:\Users\jdoe", "absolute path"),
        (r"from \\server\share", "absolute path"),
        ("at file:///srv/a", "absolute path"),
    ],
)
def test_what_tells_who_or_where_is_found(package: Path, text: str, what: str) -> None:
    readme = package / "data" / layout.README
    readme.write_text(readme.read_text() + text)
    _seal(package)

    (finding,) = verify_package(package).findings

    assert finding.check == "leak"
    assert what in finding.what
    assert finding.where == layout.README


def test_the_names_of_the_account_and_the_machine_are_found(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "jdoe")
    monkeypatch.setattr("socket.gethostname", lambda: "patho-pc-12")
    readme = package / "data" / layout.README
    readme.write_text(readme.read_text() + "made by jdoe on patho-pc-12")
    _seal(package)

    found = {f.what for f in verify_package(package).findings}

    assert found == {"holds the user's name", "holds the machine's name"}


def test_a_missing_approval_is_found(package: Path) -> None:
    (package / "data" / layout.APPROVAL).unlink()

    assert "no-approval" in _checks(package)


def test_an_approval_of_the_future_is_found(package: Path) -> None:
    _replace(package, layout.APPROVAL, "2026-01-31", "2999-01-31")
    _seal(package)

    assert _checks(package) == {"bad-approval"}


def test_annotations_that_nobody_stands_behind_are_found(package: Path) -> None:
    _replace(package, _geojson(package), '"status": "validated"', '"status": "proposed"')
    _seal(package)

    assert "not-validated" in _checks(package)


def test_tables_that_differ_from_the_outlines_are_found(package: Path) -> None:
    path = package / "data" / layout.ANNOTATIONS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    _seal(package)

    assert _checks(package) == {"counts"}


def test_an_outline_that_crosses_itself_is_found(package: Path) -> None:
    _replace(package, _geojson(package), "[18.0, 0.0], [18.0, 8.0]", "[18.0, 0.0], [2.0, 99.0]")
    path = package / "data" / _geojson(package)
    path.write_text(path.read_text().replace("[10.0, 8.0]", "[18.0, 8.0]", 1))
    _seal(package)

    assert "bad-geojson" in _checks(package)


def test_geojson_that_pathoai_would_write_otherwise_is_found(package: Path) -> None:
    _replace(package, _geojson(package), '"objectType": "detection"', '"objectType": "annotation"')
    _seal(package)

    assert _checks(package) == {"round-trip"}


def test_files_that_are_no_text_are_findings_not_crashes(package: Path) -> None:
    for name in (layout.CRATE, layout.SLIDES, layout.CLASSES, _geojson(package), layout.APPROVAL):
        (package / "data" / name).write_bytes(b"\xff\xfe\x00")

    assert {"wrong-hash", "unreadable"} <= _checks(package)


def test_a_crate_without_licence_is_found(package: Path) -> None:
    _replace(package, layout.CRATE, '"license": {', '"was-license": {')
    close_bag(package, {})

    assert "unreadable" in _checks(package)


def test_a_link_out_of_the_package_is_found(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("of this machine")
    (package / "data" / "more.txt").symlink_to(tmp_path / "elsewhere.txt")
    _seal(package)

    assert "link" in _checks(package)


@pytest.mark.parametrize(
    "crate", ["[]", "7", '{"@graph": 7}', '{"@graph": ["x"]}', '{"@graph": [{"@id": "./"}]}']
)
def test_a_malformed_crate_is_a_finding_not_a_crash(package: Path, crate: str) -> None:
    (package / "data" / layout.CRATE).write_text(crate)
    close_bag(package, {})

    assert _checks(package) == {"unreadable"}


def test_what_is_no_package_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        verify_package(tmp_path / "nothing")
    with pytest.raises(PackageError, match="not a package"):
        verify_package(tmp_path)
