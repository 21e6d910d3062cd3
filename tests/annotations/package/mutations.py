"""Tamperings and omissions: each a change to a sound package, and what verification says of it."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Put together here: no file of the project names an address or a folder of a machine.
ADDRESS = "jane.doe" + "@" + "hospital.example"
FOLDER = "/" + "home/jane/study"

Mutation = Callable[[Path], None]
_CRATE = "data/ro-crate-metadata.json"
_TAGS = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reseal(package: Path) -> None:
    """State the right hashes everywhere again, as a careful forger would."""
    data = package / "data"
    crate = package / _CRATE
    document = json.loads(crate.read_text("utf8"))
    for entity in document["@graph"]:
        if (data / entity["@id"]).is_file() and "sha256" in entity:
            entity["sha256"] = sha256(data / entity["@id"])
        elif (data / entity["@id"]).is_dir() and "sha256" in entity:
            entity["sha256"] = _sha256_of_store(data / entity["@id"])
    crate.write_text(json.dumps(document))
    seal_bag(package)


def _sha256_of_store(store: Path) -> str:
    files = sorted((p.relative_to(store).as_posix(), p) for p in store.rglob("*") if p.is_file())
    lines = "".join(f"{sha256(path)}  {name}\n" for name, path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def seal_bag(package: Path) -> None:
    """The same for the bag alone."""
    files = [p for p in sorted((package / "data").rglob("*")) if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    info = package / "bag-info.txt"
    kept = [line for line in info.read_text().splitlines() if not line.startswith("Payload-Oxum")]
    info.write_text("\n".join([*kept, f"Payload-Oxum: {size}.{len(files)}"]) + "\n")
    _write_manifest(package, "manifest-sha256.txt", files)
    listed = [line.split(maxsplit=1)[1] for line in _lines(package / "tagmanifest-sha256.txt")]
    _write_manifest(package, "tagmanifest-sha256.txt", [package / name for name in listed])


def _write_manifest(package: Path, name: str, files: list[Path]) -> None:
    lines = (f"{sha256(p)}  {p.relative_to(package).as_posix()}\n" for p in files)
    (package / name).write_text("".join(lines))


def _lines(path: Path) -> list[str]:
    return path.read_text("utf8").splitlines()


def outlines(package: Path) -> Path:
    """The larger of the GeoJSON files: its first annotation has a hole."""
    return max((package / "data/annotations/geojson").iterdir(), key=lambda p: p.stat().st_size)


def edit_json(path: Path, edit: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text("utf8"))
    edit(document)
    path.write_text(json.dumps(document), "utf8")


def _sealed(mutation: Mutation) -> Mutation:
    """The mutation, and then every hash made right again."""

    def mutate(package: Path) -> None:
        mutation(package)
        reseal(package)

    return mutate


def _in_outlines(edit: Callable[[list[Any]], object]) -> Mutation:
    return _sealed(lambda p: edit_json(outlines(p), lambda d: edit(d["features"])))


def _in_crate(edit: Callable[[dict[str, Any]], object]) -> Mutation:
    """An edit of the crate's entities by id, with the bag's hashes made right again."""

    def mutate(package: Path) -> None:
        edit_json(package / _CRATE, lambda d: edit({e["@id"]: e for e in d["@graph"]}))
        seal_bag(package)

    return mutate


def _append(name: str, text: str) -> Mutation:
    def mutate(package: Path) -> None:
        path = package / name
        path.write_text(path.read_text("utf8") + text, "utf8")

    return _sealed(mutate)


def _in_table(name: str, column: str, value: str) -> Mutation:
    """Another value in the first row of a table."""

    def mutate(package: Path) -> None:
        path = package / name
        with path.open(encoding="utf8", newline="") as file:
            rows = list(csv.DictReader(file))
        rows[0][column] = value
        with path.open("w", encoding="utf8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return _sealed(mutate)


def _flipped_byte(package: Path) -> None:
    path = package / "data/LICENSE.txt"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(bytes(data))


def _extra_file(package: Path) -> None:
    (package / "data/tables/notes.csv").write_text("a\n")


def _empty_folder(package: Path) -> None:
    (package / "data/secret").mkdir()


def _link(package: Path) -> None:
    readme = package / "data/README.md"
    os.rename(readme, package.parent / "README.md")
    readme.symlink_to(package.parent / "README.md")


def _another_hash_in_the_crate(package: Path) -> None:
    _in_crate(lambda entities: entities["README.md"].update(sha256="0" * 64))(package)


def _another_hash_in_the_manifest(package: Path) -> None:
    manifest = package / "manifest-sha256.txt"
    manifest.write_text(manifest.read_text().replace(sha256(package / "data/README.md"), "0" * 64))


def _another_date_of_the_bag(package: Path) -> None:
    info = package / "bag-info.txt"
    info.write_text(info.read_text().replace("Bagging-Date", "Bagging-Day"))


def _wrong_size(package: Path) -> None:
    info = package / "bag-info.txt"
    info.write_text(info.read_text().replace("Payload-Oxum: ", "Payload-Oxum: 1"))
    listed = [line.split(maxsplit=1)[1] for line in _lines(package / "tagmanifest-sha256.txt")]
    _write_manifest(package, "tagmanifest-sha256.txt", [package / name for name in listed])


def _reversed_log(package: Path) -> None:
    path = package / "data/provenance" / f"journal-{outlines(package).stem}.jsonl"
    path.write_text("".join(f"{line}\n" for line in reversed(_lines(path))))


def _cut_off_log(package: Path) -> None:
    path = package / "data/provenance" / f"journal-{outlines(package).stem}.jsonl"
    path.write_text(path.read_text("utf8")[:-20])


def _named_slide(package: Path) -> None:
    path = outlines(package)
    path.rename(path.with_name("Patient 7.geojson"))


def _bytes_that_are_no_text(package: Path) -> None:
    (package / "data/README.md").write_bytes(b"\xff\xfe\x00J")


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "wrong hash": (_flipped_byte, "altered since it was packaged"),
    "extra file": (_extra_file, "not in the bag's manifest"),
    "extra file, every hash right": (_sealed(_extra_file), "not declared in the crate"),
    "extra file beside the payload": (
        lambda package: _write_text(package / "notes.txt", "a\n"),
        "undeclared beside the payload",
    ),
    "missing file": (lambda package: (package / "data/LICENSE.txt").unlink(), "missing file"),
    "empty folder": (_empty_folder, "empty folder"),
    "link to elsewhere": (_link, "not a plain file"),
    "another hash in the crate": (
        _another_hash_in_the_crate,
        "has another hash than the crate states",
    ),
    "another hash in the manifest": (
        _another_hash_in_the_manifest,
        "has another hash than the bag's manifest states",
    ),
    "another fact of the bag": (_another_date_of_the_bag, "not what the bag's own files hash to"),
    "wrong size of the bag": (_wrong_size, "the bag is not valid"),
    "crate that is no JSON": (
        lambda package: _write_text(package / _CRATE, "{"),
        "the crate's metadata cannot be read",
    ),
    "undefined class": (
        _in_outlines(lambda f: f[0]["properties"]["classification"].update(name="unheard_of")),
        "1 classes of annotations are not in vocab/classes.csv",
    ),
    "dropped hole": (
        _in_outlines(lambda f: f[0]["geometry"]["coordinates"].pop()),
        "the edits do not end at the annotations of the slide",
    ),
    "id that is no UUID": (
        _in_outlines(lambda f: f[0].update(id="7")),
        "the id of feature 1 is no",
    ),
    "id twice": (
        _in_outlines(lambda f: f[1].update(id=f[0]["id"])),
        "the id of feature 2 is there",
    ),
    "proposal": (
        _in_outlines(lambda f: f[0]["properties"]["metadata"].update(status="proposed")),
        "feature 1 was validated by nobody",
    ),
    "property nobody knows": (
        _in_outlines(lambda f: f[0]["properties"].update(note="more")),
        "feature 1 does not survive reading and writing",
    ),
    "shape that is none": (
        _in_outlines(lambda f: f[0]["geometry"].update(type="Circle")),
        "malformed annotation",
    ),
    "outlines that are no GeoJSON": (
        _sealed(lambda package: edit_json(outlines(package), lambda d: d.update(type="Feature"))),
        "not a GeoJSON FeatureCollection",
    ),
    "slide by name": (_sealed(_named_slide), "named by something that is no code of a slide"),
    "centre by name": (
        _in_table("data/tables/slides.csv", "centre_id", "Lyon"),
        "centre_id is no code",
    ),
    "day of a scan": (
        _in_table("data/tables/slides.csv", "scanner", "S360 2021-05-04"),
        "a date finer than a year",
    ),
    "another status in a table": (
        _in_table("data/tables/annotations.csv", "status", "corrected"),
        "does not agree with the annotations and their edits",
    ),
    "a column that was renamed": (
        _sealed(
            lambda package: _replaced(package / "data/tables/slides.csv", "slide_id,", "slide,")
        ),
        "the table has other columns than expected",
    ),
    "counts of the crate": (
        _in_crate(lambda entities: entities["#count-status-corrected"].update(value=99)),
        "the crate's counts are not those of the annotations",
    ),
    "colour that is none": (
        _sealed(lambda package: _replaced(package / "data/vocab/classes.csv", "#d55e00", "red")),
        "malformed classes",
    ),
    "edits reordered": (_sealed(_reversed_log), "edit 2 is out of order"),
    "edits cut off": (_sealed(_cut_off_log), "the log of edits cannot be read"),
    "no licence": (
        _in_crate(lambda entities: entities["./"].pop("license")),
        "no licence is stated",
    ),
    "licence that nothing describes": (
        _in_crate(lambda entities: entities["./"].update(license={"@id": "#mine"})),
        "the licence is named, and not described",
    ),
    "bad date of publication": (
        _in_crate(lambda entities: entities["./"].update(datePublished="soon")),
        "no day of publication is stated",
    ),
    "code not in the dictionary": (
        _in_table("data/vocab/classes.csv", "codings", "SCT:999 (Made up)"),
        "a code that is not in the dictionary",
    ),
    "address": (_append("data/README.md", ADDRESS), "an e-mail address in the text"),
    "path of a machine": (_append("data/README.md", FOLDER), "an absolute path in the text"),
    "text that is none": (_sealed(_bytes_that_are_no_text), "not text in UTF-8"),
}
"""Name → the change, and how the finding begins that is its own."""


def _compressed_file(package: Path) -> None:
    text = b"MARTINE or EAU Odil or U Odile: MARTINEAU Odile"
    (package / "data/more.gz").write_bytes(gzip.compress(text))


NAMED: dict[str, tuple[Mutation, str]] = {
    "in a table": (
        _in_table("data/tables/slides.csv", "centre_id", "Martineau-Odile"),
        "data/tables/slides.csv",
    ),
    "in the metadata of an annotation": (
        _in_outlines(lambda f: f[0]["properties"]["metadata"].update(note="MARTINEAU, Odile")),
        "data/annotations/geojson/",
    ),
    "in the text for people": (
        _append("data/README.md", "\nodile: MARTINEAU  Odile\n"),
        "data/README.md",
    ),
    "in the facts of the crate": (
        _in_crate(lambda entities: entities["./"].update(description="of MARTINEAU\u00a0ODILE")),
        "data/ro-crate-metadata.json",
    ),
    "in a file that is compressed": (
        _sealed(_compressed_file),
        "data/more.gz",
    ),
    "in base64": (
        _append("data/index.html", f"<!-- {base64.b64encode(b'of MARTINEAU Odile').decode()} -->"),
        "data/index.html",
    ),
    "in the name of a file": (
        _sealed(lambda package: _write_text(package / "data/Martineau_Odile.txt", "a\n")),
        "a file or folder",
    ),
    "in a fact of the bag": (
        lambda package: _append_text(
            package / "bag-info.txt", "Contact-Name: Odile? Martineau^Odile\n"
        ),
        "bag-info.txt",
    ),
}
"""Where → a word is planted there, and how the place in the finding begins."""


def _append_text(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf8") + text, "utf8")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text)


def _replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf8")
