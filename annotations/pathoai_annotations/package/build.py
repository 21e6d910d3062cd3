"""Builds a package: gathers, writes beside the target, verifies, then renames into place."""

from __future__ import annotations

import shutil
from pathlib import Path

from pathoai import __version__
from pathoai.atomic_file import write_text_atomically
from pathoai.errors import MissingFileError, PackageError, StorageError
from pathoai.study.study import Study
from pathoai_annotations.formats.geojson import write_geojson
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.bag import close_bag, payload_files
from pathoai_annotations.package.content import PackageContent, Release, gather, package_id_of
from pathoai_annotations.package.leaks import leaks_in
from pathoai_annotations.package.ro_crate import build_record, crate_metadata
from pathoai_annotations.package.tables import (
    annotations_csv,
    annotators_csv,
    classes_csv,
    slides_csv,
)
from pathoai_annotations.package.texts import headline, landing_page, licence_text, readme
from pathoai_annotations.package.verify import Finding, verify_package


def build_package(
    study: Study,
    out: Path,
    *,
    approval: Approval,
    version: str = "1.0.0",
    licence: str = "CC-BY-4.0",
) -> Path:
    """Write the validated annotations of a study as a package that verifies.

    The same study and the same approval give the same bytes, so running it again changes nothing.
    A run that is killed leaves at most a hidden folder beside ``out``, which the next run removes.

    Args:
        study: What is shared; only annotations that were validated or corrected leave.
        out: The folder to make. An earlier package of the same study there is replaced.
        approval: Who allows it, and when the opposition list was applied.
        version: ``MAJOR.MINOR.PATCH``, of the data.
        licence: SPDX identifier.

    Returns:
        ``out``.

    Raises:
        PackageError: There is nothing to share, a slide is not in the cohort, ``out`` holds
            something else, or something that must not leave was about to.
        StorageError: The place is not writable or the disk is full.
    """
    out = out.absolute()
    release = Release(approval, version, licence)
    _refuse_foreign(study, out)
    content = gather(study)
    partial = out.with_name(f".{out.name}.partial")
    try:
        _remove(partial)
        _write(partial, content, release)
        _check(partial, _source_names(study, content))
        _move_into_place(partial, out)
    except PackageError:
        _remove(partial)
        raise
    except OSError as error:
        raise StorageError(
            "the package cannot be written",
            where=out.name,
            found=error.strerror or str(error),
            remedy="choose a folder that is writable, on a disk with room",
        ) from error
    return out


def _write(bag: Path, content: PackageContent, release: Release) -> None:
    payload = bag / layout.PAYLOAD
    texts = {
        layout.SLIDES: slides_csv(content),
        layout.ANNOTATIONS: annotations_csv(content),
        layout.ANNOTATORS: annotators_csv(content),
        layout.CLASSES: classes_csv(content.ontology),
        layout.APPROVAL: release.approval.to_json(),
        layout.BUILD: build_record(content, release),
        layout.README: readme(content, release),
        layout.LICENCE: licence_text(release),
        layout.LANDING_PAGE: landing_page(content, release),
    }
    for name, text in texts.items():
        (payload / name).parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(payload / name, text)
    (payload / layout.GEOJSON_FOLDER).mkdir(parents=True)
    for slide_id, outlines in content.annotations.items():
        write_geojson(payload / layout.geojson_name(slide_id), outlines, content.ontology)
    crate = crate_metadata(payload, payload_files(bag), content, release)
    write_text_atomically(payload / layout.CRATE, crate)
    close_bag(bag, _bag_info(content, release))


def _bag_info(content: PackageContent, release: Release) -> dict[str, str]:
    return {
        "Bag-Software-Agent": f"pathoai {__version__}",
        "Bagging-Date": release.approval.opposition_date.isoformat(),
        "External-Description": headline(content).replace("\n", " "),
        "External-Identifier": content.package_id.urn,
    }


def _refuse_foreign(study: Study, out: Path) -> None:
    if not out.exists():
        return
    info = out / layout.BAG_INFO
    identity = f"External-Identifier: {package_id_of(study).urn}"
    if not info.is_file() or identity not in info.read_text("utf8").splitlines():
        raise PackageError(
            "the folder exists and is no package of this study",
            where=out.name,
            remedy="choose a folder that does not exist yet",
        )


def _source_names(study: Study, content: PackageContent) -> list[str]:
    names = []
    for row in content.slides:
        try:
            names.append(study.source_of(row.slide_id).name)
        except MissingFileError:  # a package can be built where the slides are not
            continue
    return names


def _check(bag: Path, source_names: list[str]) -> None:
    findings = list(verify_package(bag).findings)
    for name in payload_files(bag):
        text = (bag / layout.PAYLOAD / name).read_text("utf8")
        findings += [
            Finding("leak", what, name, "code the slide by `pathoai add`, and build again")
            for what in leaks_in(text, source_names)
            if "source file" in what
        ]
    if findings:
        first, more = findings[0], len(findings) - 1
        raise PackageError(
            first.what + (f" (and {more} more findings)" if more else ""),
            where=first.where,
            remedy=first.remedy,
        )


def _move_into_place(partial: Path, out: Path) -> None:
    if not out.exists():
        partial.rename(out)
        return
    if _bytes_of(partial) == _bytes_of(out):
        _remove(partial)
        return
    replaced = out.with_name(f".{out.name}.replaced")
    _remove(replaced)
    out.rename(replaced)
    partial.rename(out)
    _remove(replaced)


def _bytes_of(bag: Path) -> dict[str, bytes]:
    # The manifests hold the hash of every file, but an altered file would keep its manifest.
    files = (p for p in bag.rglob("*") if p.is_file())
    return {p.relative_to(bag).as_posix(): p.read_bytes() for p in files}


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
