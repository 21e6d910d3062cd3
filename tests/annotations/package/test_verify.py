"""Every kind of damage must be found, and named for what it is."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, PackageError
from pathoai_annotations.package.verify import verify_package

# Put together here: no file of the project names a folder of a machine.
_HOME = "/" + "home"


def _findings(package: Path) -> dict[str, str]:
    """What → where; a package with findings is not ok."""
    report = verify_package(package)
    assert not report.ok
    assert all(str(f).count("\n") == 0 and f.remedy for f in report.findings)
    return {f.what: f.where for f in report.findings}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reseal(package: Path, *, descriptions: bool = True) -> None:
    """State the right hashes everywhere again, as a careful forger would."""
    data = package / "data"
    if descriptions:
        _reseal_descriptions(data)
    crate = data / "ro-crate-metadata.json"
    document = json.loads(crate.read_text("utf8"))
    for entity in document["@graph"]:
        if (data / entity["@id"]).is_file() and "sha256" in entity:
            entity["sha256"] = _sha256(data / entity["@id"])
    crate.write_text(json.dumps(document))
    files = [p for p in sorted(data.rglob("*")) if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    info = package / "bag-info.txt"
    kept = [line for line in info.read_text().splitlines() if not line.startswith("Payload-Oxum")]
    info.write_text("\n".join([*kept, f"Payload-Oxum: {size}.{len(files)}"]) + "\n")
    _write_manifest(package, "manifest-sha256.txt", files)
    approval = package / "approval.json"
    if approval.exists() and approval.read_text().startswith("{") and approval.stat().st_size > 2:
        bound = {"manifest_sha256": _sha256(package / "manifest-sha256.txt")}
        approval.write_text(json.dumps(json.loads(approval.read_text()) | bound, indent=1))
    tags = ["approval.json", "bag-info.txt", "bagit.txt", "manifest-sha256.txt"]
    tags = [name for name in tags if (package / name).exists()]
    _write_manifest(package, "tagmanifest-sha256.txt", [package / name for name in tags])


def _reseal_descriptions(data: Path) -> None:
    """The tables first: one description lists the other."""
    for name, listed, path, key, prefix in (
        ("datapackage.json", "resources", "path", "hash", "sha256:"),
        ("croissant.json", "distribution", "contentUrl", "sha256", ""),
    ):
        document = json.loads((data / name).read_text("utf8"))
        for one in document[listed]:
            if path in one and (data / one[path]).is_file():
                one[key] = prefix + _sha256(data / one[path])
        (data / name).write_text(json.dumps(document), "utf8")


def _write_manifest(package: Path, name: str, files: list[Path]) -> None:
    lines = (f"{_sha256(p)}  {p.relative_to(package).as_posix()}\n" for p in files)
    (package / name).write_text("".join(lines))


def _geojson(package: Path) -> Path:
    return max((package / "data/annotations/geojson").iterdir(), key=lambda p: p.stat().st_size)


def _edit_json(path: Path, edit: Callable[[dict], None]) -> None:  # type: ignore[type-arg]  # any JSON
    document = json.loads(path.read_text("utf8"))
    edit(document)
    path.write_text(json.dumps(document), "utf8")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf8")


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf8") + text, "utf8")


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "data/README.md",
        "data/ro-crate-metadata.json",
        "data/tables/slides.csv",
        "data/vocab/classes.csv",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "bagit.txt",
        "bag-info.txt",
    ],
)
def test_a_missing_file(package: Path, name: str) -> None:
    (package / name).unlink()
    report = verify_package(package)
    assert ("missing file", name) in {(f.what, f.where) for f in report.findings}


def test_an_extra_file_in_the_payload(package: Path) -> None:
    (package / "data/tables/notes.csv").write_text("a\n")
    found = _findings(package)
    assert found["not in the bag's manifest"] == "data/tables/notes.csv"
    assert found["not declared in the crate"] == "data/tables/notes.csv"


def test_an_extra_file_beside_the_payload(package: Path) -> None:
    (package / "notes.txt").write_text("a\n")
    assert _findings(package) == {"undeclared beside the payload": "notes.txt"}


def test_an_empty_folder(package: Path) -> None:
    (package / "data/images").mkdir()
    assert _findings(package) == {"empty folder": "data/images"}


def test_a_link_to_elsewhere(package: Path, tmp_path: Path) -> None:
    readme = package / "data/README.md"
    shutil.move(readme, tmp_path / "README.md")
    readme.symlink_to(tmp_path / "README.md")
    assert any(what.startswith("not a plain file") for what in _findings(package))


def test_a_flipped_byte(package: Path) -> None:
    path = package / "data/LICENSE.txt"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(bytes(data))
    assert _findings(package) == {"altered since it was packaged": "data/LICENSE.txt"}


def test_a_flipped_byte_of_the_metadata(package: Path) -> None:
    _append(package / "data/ro-crate-metadata.json", " ")
    assert _findings(package) == {"altered since it was packaged": "data/ro-crate-metadata.json"}


def test_a_file_that_the_crate_does_not_declare(package: Path) -> None:
    (package / "data/tables/more.csv").write_text("a\n")
    _reseal(package)
    assert _findings(package) == {"not declared in the crate": "data/tables/more.csv"}


def test_a_file_that_is_no_part_of_the_crate(package: Path) -> None:
    def edit(document: dict) -> None:  # type: ignore[type-arg]  # any JSON
        (root,) = [e for e in document["@graph"] if e["@id"] == "./"]
        root["hasPart"].remove({"@id": "README.md"})

    _edit_json(package / "data/ro-crate-metadata.json", edit)
    _reseal(package)
    assert _findings(package) == {"not declared in the crate": "data/README.md"}


def test_another_hash_in_the_crate(package: Path) -> None:
    readme = package / "data/README.md"
    crate = package / "data/ro-crate-metadata.json"
    right = _sha256(readme)
    _reseal(package)
    _replace(crate, right, "0" * 64)
    _write_manifest(
        package,
        "manifest-sha256.txt",
        [p for p in sorted((package / "data").rglob("*")) if p.is_file()],
    )
    assert _findings(package)["has another hash than the crate states"] == "data/README.md"


def test_another_hash_in_a_description(package: Path) -> None:
    path = package / "data/datapackage.json"
    path.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", path.read_text("utf8")))
    _reseal(package, descriptions=False)
    assert "data/datapackage.json" in _findings(package).values()


def test_another_hash_in_the_manifest(package: Path) -> None:
    _replace(package / "manifest-sha256.txt", _sha256(package / "data/README.md"), "0" * 64)
    found = _findings(package)
    assert found == {
        "has another hash than the bag's manifest states": "data/README.md",
        "the approval is of another content": "approval.json",
    }


@pytest.mark.parametrize("damage", ["fact", "empty", "cut"])
def test_altered_files_of_the_bag(package: Path, damage: str) -> None:
    tags = package / "tagmanifest-sha256.txt"
    if damage == "fact":
        _replace(package / "bag-info.txt", "Bagging-Date", "Bagging-Day")
    else:
        tags.write_text("" if damage == "empty" else tags.read_text()[:40])
    (where,) = _findings(package).values()
    assert where == tags.name


def test_a_size_that_is_wrong_is_left_to_bagit(package: Path) -> None:
    info = package / "bag-info.txt"
    _replace(info, "Payload-Oxum: ", "Payload-Oxum: 1")
    names = ("approval.json", "bag-info.txt", "bagit.txt", "manifest-sha256.txt")
    _write_manifest(package, "tagmanifest-sha256.txt", [package / name for name in names])
    assert _findings(package) == {"the bag is not valid (BagIt 1.0)": "bag-info.txt"}


def test_a_bag_that_bagit_cannot_read(package: Path) -> None:
    (package / "bagit.txt").write_text("BagIt-Version: 9.0\nTag-File-Character-Encoding: UTF-8\n")
    _reseal(package)
    assert "the bag cannot be read (BagIt 1.0)" in _findings(package)


def test_metadata_that_is_no_json(package: Path) -> None:
    (package / "data/ro-crate-metadata.json").write_text("{")
    assert "the crate's metadata cannot be read" in _findings(package)


def test_metadata_that_describes_one_thing_twice(package: Path) -> None:
    _edit_json(
        package / "data/ro-crate-metadata.json", lambda d: d["@graph"].append(d["@graph"][0])
    )
    assert "the crate describes one thing twice" in _findings(package)


# --- annotations -----------------------------------------------------------------------------


def _set(*keys: object, value: object) -> Callable[[dict], None]:  # type: ignore[type-arg]  # any JSON
    def edit(document: dict) -> None:  # type: ignore[type-arg]  # any JSON
        *path, last = keys
        for key in path:
            document = document[key]
        document[last] = value

    return edit


_FIRST = ("features", 0)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (
            _set(*_FIRST, "properties", "classification", "name", value="unheard_of"),
            "1 classes of annotations are not in vocab/classes.csv",
        ),
        (_set(*_FIRST, "properties", value=None), "1 classes of annotations are not in"),
        (_set(*_FIRST, "id", value="7"), "the id of feature 1 is no UUID"),
        (_set("type", value="Feature"), "not a GeoJSON FeatureCollection"),
        (_set("features", value=[1]), "not a GeoJSON FeatureCollection"),
        (_set(*_FIRST, "geometry", "type", value="Circle"), "malformed annotation"),
        (
            _set(*_FIRST, "properties", "metadata", "status", value="proposed"),
            "feature 1 was validated by nobody",
        ),
        (
            _set(*_FIRST, "properties", "note", value="more"),
            "feature 1 does not survive reading and writing",
        ),
        (
            _set(*_FIRST, "geometry", "coordinates", 0, 0, value=[0.5, 0.5]),
            "the edits do not end at the annotations of the slide",
        ),
        (
            _set(*_FIRST, "properties", "metadata", "author", value="R9"),
            "the edits do not end at the annotations of the slide",
        ),
    ],
)
def test_geojson(package: Path, edit: Callable[[dict], None], what: str) -> None:  # type: ignore[type-arg]  # any JSON
    _edit_json(_geojson(package), edit)
    _reseal(package)
    assert any(found.startswith(what) for found in _findings(package))


def test_an_id_that_is_there_twice(package: Path) -> None:
    def edit(document: dict) -> None:  # type: ignore[type-arg]  # any JSON
        document["features"][1]["id"] = document["features"][0]["id"]

    _edit_json(_geojson(package), edit)
    _reseal(package)
    assert "the id of feature 2 is there twice" in _findings(package)


def test_a_dropped_annotation(package: Path) -> None:
    _edit_json(_geojson(package), lambda document: document["features"].pop())
    _reseal(package)
    assert "the edits do not end at the annotations of the slide" in _findings(package)


def test_a_slide_that_is_named_by_no_code(package: Path) -> None:
    path = _geojson(package)
    path.rename(path.with_name("Patient 7.geojson"))
    _reseal(package)
    assert "named by something that is no code of a slide" in _findings(package)


def _replace_in_line(path: Path, line: int, old: str, new: str) -> None:
    lines = path.read_text("utf8").splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_text("".join(lines), "utf8")


@pytest.mark.parametrize(
    ("table", "line", "old", "new", "what", "where"),
    [
        ("annotations", 2, ",validated,", ",corrected,", "does not agree with the ann", " line 2"),
        ("annotators", 2, "R1,reader,", "R1,reader,9", "does not agree with the ann", " line 2"),
        ("slides", 1, "slide_id,", "slide,", "the table has other columns than expected", ""),
        ("slides", 2, ",HE,", ",", "row 1 has other cells than columns", ""),
        ("slides", 2, ",HE,", ',"HE,', "the table cannot be read", ""),
    ],
)
def test_a_table(
    package: Path, table: str, line: int, old: str, new: str, what: str, where: str
) -> None:
    path = package / f"data/tables/{table}.csv"
    _replace_in_line(path, line, old, new)
    _reseal(package)
    ((found, place),) = _findings(package).items()
    assert found.startswith(what)
    assert place == f"data/tables/{table}.csv{where}"


def test_a_slide_less_in_the_table(package: Path) -> None:
    path = package / "data/tables/slides.csv"
    path.write_text("".join(path.read_text("utf8").splitlines(keepends=True)[:-1]))
    _reseal(package)
    assert _findings(package)["does not agree with the annotations"] == "data/tables/slides.csv"


def test_a_patient_who_is_no_code(package: Path) -> None:
    path = package / "data/tables/slides.csv"
    header, first, *rest = path.read_text("utf8").splitlines(keepends=True)
    cells = first.split(",")
    cells[1] = "Dupont"
    path.write_text(header + ",".join(cells) + "".join(rest))
    _reseal(package)
    assert _findings(package)["case_id is no code"] == "data/tables/slides.csv line 2"


def test_counts_of_the_crate(package: Path) -> None:
    def edit(document: dict) -> None:  # type: ignore[type-arg]  # any JSON
        (count,) = [e for e in document["@graph"] if e["@id"] == "#count-status-corrected"]
        count["value"] += 1

    _edit_json(package / "data/ro-crate-metadata.json", edit)
    _reseal(package)
    assert "the crate's counts are not those of the annotations" in _findings(package)


def test_malformed_classes(package: Path) -> None:
    _replace(package / "data/vocab/classes.csv", "#d55e00", "red")
    _reseal(package)
    assert "malformed classes" in _findings(package)


@pytest.mark.parametrize("damage", ["order", "line"])
def test_a_damaged_log(package: Path, damage: str) -> None:
    path = package / "data/provenance" / f"journal-{_geojson(package).stem}.jsonl"
    lines = path.read_text("utf8").splitlines(keepends=True)
    path.write_text("".join(reversed(lines)) if damage == "order" else "{\n")
    _reseal(package)
    assert any(
        what == "the log of edits cannot be read" or what.endswith("out of order")
        for what in _findings(package)
    )


# --- erasure ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "kind"), [(0, "slide"), (1, "patient")])
def test_somebody_who_was_erased(package: Path, column: int, kind: str) -> None:
    code = (package / "data/tables/slides.csv").read_text("utf8").splitlines()[1].split(",")[column]
    stone = {"sha256": hashlib.sha256(code.encode()).hexdigest(), "kind": kind}
    (package / "data/privacy/erasure.json").write_text(json.dumps({"erased": [stone]}))
    _reseal(package)
    found = _findings(package)
    assert set(found) == {f"a {kind} that was erased or opposed is in it"}
    assert code not in "".join(map(str, found))


def test_a_list_of_the_erased_that_cannot_be_read(package: Path) -> None:
    (package / "data/privacy/erasure.json").write_text("{}")
    _reseal(package)
    assert _findings(package) == {"no readable list of who was erased": "data/privacy/erasure.json"}


# --- approval --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_no_approval(package: Path, content: str | None) -> None:
    path = package / "approval.json"
    path.unlink() if content is None else path.write_text(content)
    assert _findings(package)["no approval"] == "approval.json"


@pytest.mark.parametrize(
    ("part", "value", "what"),
    [
        ("opposition_date", None, "the approval is not complete"),
        ("approved_on", "", "the approval is not complete"),
        ("role", 3, "the approval is not complete"),
        ("opposition_date", "yesterday", "not a day"),
        ("opposition_date", "9999-01-01", "the opposition date lies in the future"),
        (
            "approved_on",
            "2020-01-01",
            "the list of opposed patients was applied after the approval",
        ),
        ("approved_by", "Jane Doe", "the approver is named by a short code"),
    ],
)
def test_an_approval_that_approves_nothing(
    package: Path, part: str, value: object, what: str
) -> None:
    _edit_json(package / "approval.json", _set(part, value=value))
    _reseal(package)
    assert any(found.startswith(what) for found in _findings(package))


def test_an_approval_older_than_the_last_edit(package: Path) -> None:
    def edit(record: dict) -> None:  # type: ignore[type-arg]  # any JSON
        record |= {"approved_on": "2020-01-02", "opposition_date": "2020-01-01"}

    _edit_json(package / "approval.json", edit)
    _edit_json(package / "data/privacy/release.json", _set("opposition_date", value="2020-01-01"))
    _reseal(package)
    assert "annotations were edited after the approval" in _findings(package)


def test_an_approval_of_another_content(package: Path) -> None:
    _edit_json(package / "approval.json", _set("manifest_sha256", value="0" * 64))
    tags = ("approval.json", "bag-info.txt", "bagit.txt", "manifest-sha256.txt")
    _write_manifest(package, "tagmanifest-sha256.txt", [package / name for name in tags])
    assert _findings(package) == {"the approval is of another content": "approval.json"}


def test_an_approval_of_another_tier(package: Path) -> None:
    _edit_json(package / "approval.json", _set("tier", value="open"))
    _reseal(package)
    assert _findings(package) == {"the approval is of another release": "approval.json"}


# --- privacy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ask jane.doe@hospital.example", "an e-mail address in the text"),
        (f"made in {_HOME}/jane/study", "an absolute path in the text"),
        ("made in /data/study1/x", "an absolute path in the text"),
        ('{"path": "/Users"}', "an absolute path in the text"),
        ("file:///srv", "an absolute path in the text"),
        ("see ~/study and ~jane/x", "a path of a home folder in the text"),
        ("C:\\Users\\jane", "a path of a Windows drive or share in the text"),
        ("D:/slides/x", "a path of a Windows drive or share in the text"),
        ("\\\\server\\share", "a path of a Windows drive or share in the text"),
    ],
)
@pytest.mark.parametrize("name", ["README.md", "tables/slides.csv"])
def test_text_that_should_not_leave(package: Path, name: str, text: str, what: str) -> None:
    path = package / "data" / name
    line = path.read_text("utf8").count("\n") + 1
    _append(path, text)
    report = verify_package(package)
    assert (what, f"data/{name} line {line}") in {(f.what, f.where) for f in report.findings}
    assert "jane" not in "".join(map(str, report.findings))


@pytest.mark.parametrize(
    "text",
    [
        "https://w3id.org/ro/crate/1.3/context",
        "and/or, 1/2, image/tiff, a / b, HER2 /ER",
        "model:unet@0123abcd, @type",
        "~ 5 mm, </title>, <br/>",
        "at 10:30, ratio 1:/2",
        "../README.md and ./tables/slides.csv",
    ],
)
def test_text_that_may_leave(package: Path, text: str) -> None:
    _append(package / "data/README.md", text)
    _reseal(package)
    assert verify_package(package).ok


def test_an_escaped_address(package: Path) -> None:
    path = package / "approval.json"
    _replace(path, "data protection officer", "jane\\u0040hospital.example")
    assert "an e-mail address in the text" in _findings(package)
    _append(package / "data/index.html", "<p>jane&#64;hospital.example</p>")
    places = {f.where.split()[0] for f in verify_package(package).findings if "e-mail" in f.what}
    assert places == {"approval.json", "data/index.html"}


def test_an_address_in_a_file_name(package: Path) -> None:
    (package / "data/jane@hospital.example").write_text("x")
    assert "an e-mail address in the name of a file" in _findings(package)


@pytest.mark.parametrize("name", ["mhospital-ws07", "jdupont"])
def test_names_of_this_machine(package: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "mhospital-ws07.chu.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "jdupont")
    _append(package / "data/README.md", f"made on {name}.\n")
    assert "the name of this computer or of its user in the text" in _findings(package)


@pytest.mark.parametrize("name", ["annotations", "slides", "root", "R1"])
def test_a_user_whose_name_is_a_word_of_every_package(
    package: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    assert verify_package(package).ok


def test_what_is_no_text(package: Path) -> None:
    (package / "data/README.md").write_bytes(b"\xff\xfe\x00")
    assert "not text in UTF-8, so nobody can look for names in it" in _findings(package)


# --- no package ------------------------------------------------------------------------------


def test_a_path_that_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not a package"):
        verify_package(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(PackageError, match="not a package"):
        verify_package(tmp_path / "file")
    with pytest.raises(MissingFileError, match="no such package"):
        verify_package(tmp_path / "nowhere")


def test_needs_neither_torch_nor_qt_nor_rocrate() -> None:
    code = (
        "import sys; import pathoai_annotations.package.verify; "
        "print(*({'torch', 'napari', 'qtpy', 'rocrate', 'zarr'} & {*sys.modules}))"
    )
    environment_of_tests = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert environment_of_tests.stdout.strip() == ""
