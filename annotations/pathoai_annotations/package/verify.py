"""Checks a package as a closed world: all that is declared is there, and nothing else."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathoai.errors import AnnotationError, MissingFileError, OntologyError, PackageError
from pathoai.ontology import Ontology
from pathoai.privacy.pseudonym import is_code
from pathoai.provenance import sha256_of_file
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import geojson_text, read_geojson
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.bag import payload_files, read_manifest
from pathoai_annotations.package.leaks import leaks_in
from pathoai_annotations.package.tables import (
    ANNOTATION_COLUMNS,
    ANNOTATOR_COLUMNS,
    SLIDE_COLUMNS,
    read_classes,
    read_table,
)

_COPY = "copy the package again from its source"
_REBUILD = "build the package again by `pathoai package build`"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        check: Which check found it, e.g. ``missing-file``.
        what: What is wrong.
        where: The file or the field.
        remedy: What to do about it.
    """

    check: str
    what: str
    where: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.check}: {self.where}: {self.what}. Remedy: {self.remedy}"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a verification found.

    Args:
        files: Number of payload files looked at.
        annotations: Number of annotations read.
        findings: What is wrong; nothing where the package is good.
    """

    files: int
    annotations: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.findings


@dataclass(slots=True)
class _Package:
    """The package under the checks, which add to what is known of it."""

    bag: Path
    names: list[str]
    hashes: dict[str, str]
    ontology: Ontology | None = None
    annotations: dict[str, list[Annotation]] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.bag / layout.PAYLOAD / name


def verify_package(path: Path) -> VerificationReport:
    """Check a package without trusting anything in it.

    Args:
        path: The package's folder.

    Returns:
        All findings, not the first only.

    Raises:
        MissingFileError: Nothing lies there.
        PackageError: What lies there is no package at all.
    """
    if not path.exists():
        raise MissingFileError("no such package", where=path.name)
    if not (path / layout.BAG_DECLARATION).is_file() or not (path / layout.PAYLOAD).is_dir():
        raise PackageError(
            "not a package",
            where=path.name,
            found=f"no {layout.BAG_DECLARATION} or no folder {layout.PAYLOAD}",
            remedy="name the folder that `pathoai package build` made",
        )
    names = payload_files(path)
    hashes = {name: sha256_of_file(path / layout.PAYLOAD / name) for name in names}
    package = _Package(path, names, hashes)
    findings = [finding for check in _CHECKS for finding in _guarded(check, package)]
    count = sum(len(annotations) for annotations in package.annotations.values())
    return VerificationReport(len(names), count, tuple(dict.fromkeys(findings)))


def _guarded(check: Callable[[_Package], Iterator[Finding]], package: _Package) -> list[Finding]:
    """A check's findings; what it cannot even read is a finding of its own."""
    found: list[Finding] = []
    try:
        found.extend(check(package))
    except (PackageError, AnnotationError, OntologyError) as error:
        where = str(error.where or "package")
        what = error.what if error.found is None else f"{error.what}: {error.found}"
        found.append(Finding("unreadable", what, where, error.remedy or _REBUILD))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        name = check.__name__.strip("_").replace("_", " ")
        found.append(Finding("unreadable", f"malformed file ({error})", name, _REBUILD))
    return found


def _bag_manifest(package: _Package) -> Iterator[Finding]:
    prefix = f"{layout.PAYLOAD}/"
    declared = {
        name.removeprefix(prefix): digest
        for name, digest in read_manifest(package.bag / layout.MANIFEST).items()
    }
    for name in sorted(declared.keys() - package.hashes.keys()):
        yield Finding("missing-file", "in the manifest but not in the package", name, _COPY)
    for name in sorted(package.hashes.keys() - declared.keys()):
        yield Finding(
            "extra-file",
            "in the package but not in the manifest",
            name,
            "remove it, or " + _REBUILD,
        )
    for name in sorted(declared.keys() & package.hashes.keys()):
        if declared[name] != package.hashes[name]:
            yield Finding("wrong-hash", "its bytes are not those of the manifest", name, _COPY)


def _bag_tags(package: _Package) -> Iterator[Finding]:
    tags = read_manifest(package.bag / layout.TAG_MANIFEST)
    expected = {layout.BAG_DECLARATION, layout.BAG_INFO, layout.MANIFEST}
    for name in sorted(expected | tags.keys()):
        path = package.bag / name
        if not path.is_file():
            yield Finding("missing-file", "a file of the bag is absent", name, _COPY)
        elif name not in tags:
            yield Finding("undeclared", "not in the tag manifest", name, _REBUILD)
        elif sha256_of_file(path) != tags[name]:
            yield Finding("wrong-hash", "its bytes are not those of the tag manifest", name, _COPY)
    known = expected | {layout.TAG_MANIFEST, layout.PAYLOAD}
    for path in sorted(package.bag.iterdir()):
        if path.name not in known:
            yield Finding("extra-file", "not a file of a package", path.name, "remove it")


def _links(package: _Package) -> Iterator[Finding]:
    """A link would show files of the reader's own machine as if they were in the package."""
    for path in sorted(package.bag.rglob("*")):
        if path.is_symlink():
            name = path.relative_to(package.bag).as_posix()
            yield Finding("link", "a link is no file of a package", name, "remove it")


def _bag_library(package: _Package) -> Iterator[Finding]:
    """What the reference implementation says, so that other tools read our bags."""
    import bagit

    logging.getLogger("bagit").addHandler(logging.NullHandler())
    try:
        bagit.Bag(str(package.bag)).validate()
    except bagit.BagError as error:
        summary = str(error).splitlines()[0].partition(":")[0]
        yield Finding("bagit", summary, package.bag.name, _COPY)


def _crate(package: _Package) -> Iterator[Finding]:
    if layout.CRATE not in package.hashes:
        yield Finding("no-crate", "the crate's metadata is absent", layout.CRATE, _COPY)
        return
    raw: Any = json.loads(package.path(layout.CRATE).read_text("utf8"))
    entities = _data_entities(raw)
    for name in sorted(entities.keys() - package.hashes.keys()):
        yield Finding("missing-file", "declared in the crate but absent", name, _COPY)
    for name in sorted(package.hashes.keys() - entities.keys() - {layout.CRATE}):
        yield Finding("undeclared", "not declared in the crate", name, _REBUILD)
    for name in sorted(entities.keys() & package.hashes.keys()):
        if entities[name].get("sha256") != package.hashes[name]:
            yield Finding("wrong-hash", "its bytes are not those of the crate", name, _COPY)


def _data_entities(raw: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - any JSON may be there
    try:
        graph = {entity["@id"]: entity for entity in raw["@graph"]}
        root = graph["./"]
        licence, published = root["license"], root["datePublished"]
        parts = {part["@id"] for part in _as_list(root.get("hasPart"))}
        files = {i: e for i, e in graph.items() if i in parts and "File" in _as_list(e["@type"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise PackageError(
            "the crate's metadata are malformed", where=layout.CRATE, found=str(error)
        ) from error
    if not licence or not published:
        raise PackageError("the crate states no licence or no date", where=layout.CRATE)
    return files


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON-LD allows one value for a list of one
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _approval(package: _Package) -> Iterator[Finding]:
    if layout.APPROVAL not in package.hashes:
        yield Finding(
            "no-approval", "nobody answers for this package", layout.APPROVAL, "do not use it"
        )
        return
    try:
        Approval.from_json(package.path(layout.APPROVAL).read_text("utf8"))
    except PackageError as error:
        yield Finding("bad-approval", str(error), layout.APPROVAL, _REBUILD)


def _outlines(package: _Package) -> Iterator[Finding]:
    try:
        ontology = read_classes(package.path(layout.CLASSES))
    except FileNotFoundError:
        yield Finding("no-vocabulary", "the classes are absent", layout.CLASSES, _COPY)
        return
    for name in package.names:
        if name.startswith(f"{layout.GEOJSON_FOLDER}/"):
            yield from _outlines_of(package, name, ontology)


def _outlines_of(package: _Package, name: str, ontology: Ontology) -> Iterator[Finding]:
    slide_id = layout.slide_of(name)
    if not is_code(slide_id):
        yield Finding("not-coded", "a slide is named by something else than a code", name, _REBUILD)
        return
    context = ReadingContext(slide_id, ontology, "package", trust_metadata=True)
    try:
        annotations = list(read_geojson(package.path(name), context))
    except OntologyError as error:
        yield Finding("unknown-class", f"{error.what}: {error.found}", name, _REBUILD)
        return
    except (AnnotationError, MissingFileError) as error:
        yield Finding("bad-geojson", str(error), name, _REBUILD)
        return
    package.annotations[slide_id] = annotations
    if any(a.status not in OF_RECORD for a in annotations):
        yield Finding(
            "not-validated", "holds annotations that nobody stands behind", name, _REBUILD
        )
    if "".join(geojson_text(annotations, ontology)) != package.path(name).read_text("utf8"):
        yield Finding("round-trip", "reading and writing it again changes it", name, _REBUILD)


def _tables(package: _Package) -> Iterator[Finding]:
    read = [a for annotations in package.annotations.values() for a in annotations]
    slides = read_table(_existing(package, layout.SLIDES), SLIDE_COLUMNS)
    in_table = {row["slide_id"]: row["annotations"] for row in slides}
    in_files = {slide: str(len(found)) for slide, found in package.annotations.items()}
    if in_table != in_files:
        yield Finding("counts", "differ from the GeoJSON files", layout.SLIDES, _REBUILD)
    rows = read_table(_existing(package, layout.ANNOTATIONS), ANNOTATION_COLUMNS)
    keys = ("annotation_id", "slide_id", "label", "origin", "status", "author")
    listed = Counter(tuple(row[key] for key in keys) for row in rows)
    outlined = Counter(
        (str(a.id), a.slide_id, a.label, a.origin.value, a.status.value, a.author) for a in read
    )
    if listed != outlined:
        yield Finding("counts", "differ from the GeoJSON files", layout.ANNOTATIONS, _REBUILD)
    authors = read_table(_existing(package, layout.ANNOTATORS), ANNOTATOR_COLUMNS)
    if not {a.author for a in read} <= {row["author"] for row in authors}:
        yield Finding("counts", "an author is missing", layout.ANNOTATORS, _REBUILD)


def _existing(package: _Package, name: str) -> Path:
    if name not in package.hashes:
        raise PackageError("the table is absent", where=name, remedy=_COPY)
    return package.path(name)


def _leaks(package: _Package) -> Iterator[Finding]:
    files = [(name, package.path(name)) for name in package.names]
    files += [(p.name, p) for p in sorted(package.bag.iterdir()) if p.is_file()]
    for name, path in files:
        text = f"{name}\n{path.read_bytes().decode('utf8', errors='replace')}"
        for what in leaks_in(text):
            yield Finding(
                "leak", f"holds {what}", name, f"remove it from the study, then {_REBUILD}"
            )


_CHECKS: tuple[Callable[[_Package], Iterator[Finding]], ...] = (
    _links,
    _bag_manifest,
    _bag_tags,
    _crate,
    _approval,
    _outlines,
    _tables,
    _leaks,
    _bag_library,
)
