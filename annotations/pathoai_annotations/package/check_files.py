"""A closed world: what lies on disk, in the bag's manifest and in the crate is the same."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files, read_manifest, tag_hashes
from pathoai_annotations.package.crate_reader import Crate
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.parts import parts_of, store_of
from pathoai_annotations.package.table import TABLES

_ADDED = "take the file out, or build the package again"
_REQUIRED = (
    layout.METADATA,
    layout.README,
    layout.LICENCE,
    layout.LANDING_PAGE,
    layout.RELEASE,
    layout.ERASURE,
    layout.LOSSES,
    layout.TRANSPARENCY,
    layout.CHANGES,
    *(table.path for table in TABLES),
)


def check_files(root: Path) -> Iterator[Finding]:
    """Compare the three lists of files, and the hashes that two of them hold."""
    yield from _outside_payload(root)
    disk = payload_files(root)
    manifest, declared, stores = {}, {}, {}
    try:
        prefix = f"{layout.PAYLOAD}/"
        manifest = {name.removeprefix(prefix): h for name, h in read_manifest(root).items()}
    except PackageError as error:
        yield Finding(error.what, layout.MANIFEST)
    try:
        crate = Crate(root)
        declared, stores = crate.files(), crate.stores()
    except PackageError as error:
        yield Finding(error.what, _payload(layout.METADATA))
    for name in sorted({*disk, *manifest, *declared, *_REQUIRED}):
        path = disk.get(name)
        if path is None:
            yield Finding("missing file", _payload(name))
        elif path.is_symlink() or not path.is_file():
            yield Finding(
                "not a plain file: nothing in a package may point elsewhere", _payload(name), _ADDED
            )
        else:
            yield from _compare(name, path, manifest, declared)
    yield from _check_stores(disk, declared, stores)


def _check_stores(
    disk: Mapping[str, Path], declared: Mapping[str, str], stores: Mapping[str, str]
) -> Iterator[Finding]:
    """A store is declared as one part, by a hash over all its files."""
    found = {name: path for name, path in disk.items() if store_of(name) and path.is_file()}
    on_disk = {part.name: part.sha256 for part in parts_of(found)}
    for store in sorted({*on_disk, *stores}):
        if store not in on_disk:
            yield Finding("missing store", _payload(store))
        elif store not in stores:
            if declared:  # else the crate could not be read, which is told
                yield Finding("not declared in the crate", _payload(store), _ADDED)
        elif stores[store] != on_disk[store]:
            yield Finding("has another hash than the crate states", _payload(store))


def _payload(name: str) -> str:
    return f"{layout.PAYLOAD}/{name}"


def _outside_payload(root: Path) -> Iterator[Finding]:
    for path in sorted(root.iterdir()):
        if path.name not in (*layout.TAG_FILES, *layout.OTHER_TAG_FILES, layout.PAYLOAD):
            yield Finding("undeclared beside the payload", path.name, _ADDED)
    for name in layout.TAG_FILES:
        if not (root / name).is_file():
            yield Finding("missing file", name)
    for folder, folders, files in os.walk(root / layout.PAYLOAD):
        if not folders and not files:
            yield Finding("empty folder", Path(folder).relative_to(root).as_posix(), _ADDED)


def _compare(
    name: str, path: Path, manifest: dict[str, str], declared: dict[str, str]
) -> Iterator[Finding]:
    where = _payload(name)
    if manifest and name not in manifest:
        yield Finding("not in the bag's manifest", where, _ADDED)
    # A crate cannot state the hash of the file that states it; of a store it states one for all.
    in_crate = name == layout.METADATA or not declared or bool(store_of(name))
    if not in_crate and name not in declared:
        yield Finding("not declared in the crate", where, _ADDED)
    found = sha256_of_file(path)
    differs_from_bag = manifest.get(name, found) != found
    differs_from_crate = not in_crate and declared.get(name, found) != found
    if differs_from_bag and (differs_from_crate or in_crate):
        yield Finding("altered since it was packaged", where)
    elif differs_from_bag:
        yield Finding("has another hash than the bag's manifest states", where)
    elif differs_from_crate:
        yield Finding("has another hash than the crate states", where)


_BAG_FAILS_BY = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""How ``bagit`` ends for files of a bag that it cannot read, beside its own errors."""


def check_bag(root: Path) -> Iterator[Finding]:
    """Check the bag's own files, then let the ``bagit`` library judge."""
    import bagit

    try:
        # The library passes over lines that it cannot read, and over files that no line names.
        if read_manifest(root, layout.TAG_MANIFEST) != tag_hashes(root):
            yield Finding("not what the bag's own files hash to", layout.TAG_MANIFEST)
            return
    except PackageError as error:
        yield Finding(error.what, layout.TAG_MANIFEST)
        return

    # The library writes what it finds to the log as well: here it goes into the report, once.
    log = logging.getLogger("bagit")
    silent, propagates = logging.NullHandler(), log.propagate
    log.addHandler(silent)
    log.propagate = False
    try:
        bagit.Bag(str(root)).validate()
    except bagit.BagValidationError as error:
        details = ", ".join(sorted(str(d.path) for d in error.details)) or layout.BAG_INFO
        yield Finding("the bag is not valid (BagIt 1.0)", details)
    except (bagit.BagError, *_BAG_FAILS_BY):
        yield Finding("the bag cannot be read (BagIt 1.0)", layout.BAG_DECLARATION)
    finally:
        log.removeHandler(silent)
        log.propagate = propagates
