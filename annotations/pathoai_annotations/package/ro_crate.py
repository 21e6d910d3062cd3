"""The crate's metadata: RO-Crate 1.3 with a Process Run Crate 0.5, in JSON-LD.

The metadata descriptor conforms to RO-Crate 1.1 as well, on which version 0.5 of Process Run Crate
builds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, SoftwareApplication
from rocrate.rocrate import ROCrate

from pathoai import __version__
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.crate_models import add_models
from pathoai_annotations.package.csv_file import Row
from pathoai_annotations.package.parts import parts_of
from pathoai_annotations.package.slides import PackagedSlide
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.tally import DEMONSTRATION, PROPOSER, count_id

_VERSION = "1.3"
_CONFORMS_TO = ("https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/crate/1.1")
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_EXPORTER, _ACTION = "#exporter", "#packaging"
# A package URL (ECMA-427) names software and version without claiming that a web page is there.
_SOFTWARE = f"pkg:generic/pathoai@{quote(__version__)}"
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_.-]")

Reference = dict[str, str]


def write_metadata(root: Path, summary: PackageSummary) -> None:
    """Describe a payload that is otherwise finished; the same payload gives the same bytes.

    Args:
        root: The bag's folder.
        summary: What the package says of itself.
    """
    crate = ROCrate(version=_VERSION)
    _add_files(crate, root, summary.image_hashes)
    _add_people(crate, summary)
    images = _images(summary)
    slides = [_add_slide(crate, slide, images.get(slide.slide_id)) for slide in summary.slides]
    _add_action(crate, summary, slides)
    actions = [_to(_ACTION), *add_models(crate, summary)]
    _describe_root(crate, summary, slides, actions)
    crate.metadata["conformsTo"] = [_to(iri) for iri in _CONFORMS_TO]
    document = crate.metadata.generate()
    document["@graph"].sort(key=_identity)
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (root / layout.PAYLOAD / layout.METADATA).write_text(text + "\n", "utf8", newline="\n")


def _identity(entity: dict[str, Any]) -> str:
    return str(entity["@id"])


def _to(identity: str) -> Reference:
    return {"@id": identity}


def _add(crate: ROCrate, identity: str, kind: str | list[str], **properties: object) -> Reference:
    crate.add(ContextEntity(crate, identity, {"@type": kind, **properties}))
    return _to(identity)


def _add_files(crate: ROCrate, root: Path, known: Mapping[str, str]) -> None:
    for part in parts_of(payload_files(root), known):
        properties = {
            "name": part.name,
            "description": layout.description(part.name),
            "encodingFormat": layout.media_type(part.name),
            "contentSize": str(part.size),
            "sha256": part.sha256,
        }
        if part.is_store:
            crate.add_directory(dest_path=f"{part.name}/", properties=properties)
        else:
            crate.add_file(dest_path=part.name, properties=properties)


def _add_people(crate: ROCrate, summary: PackageSummary) -> None:
    _add(
        crate,
        _EXPORTER,
        "Person",
        name=f"Exporter {summary.release.exporter}",
        identifier=summary.release.exporter,
    )
    for annotator in _authors(summary):
        _add_annotator(crate, annotator)


def _authors(summary: PackageSummary) -> list[Row]:
    return [row for row in summary.counts.annotators if row["kind"] != PROPOSER]


def _add_annotator(crate: ROCrate, annotator: Row) -> None:
    code = annotator["code"]
    if annotator["kind"] == DEMONSTRATION:
        name = f"{code}: the demonstration of pathoai, no pathologist"
        _add_software(crate, _of_annotator(annotator), name)
    else:
        _add(crate, _of_annotator(annotator), "Person", name=f"Annotator {code}", identifier=code)


def _add_software(crate: ROCrate, identity: str, name: str) -> None:
    facts = {"name": name, "url": _SOFTWARE, "version": __version__}
    crate.add(SoftwareApplication(crate, identity, facts))


def _of_annotator(annotator: Row) -> str:
    return f"#annotator-{annotator['code']}"


def _images(summary: PackageSummary) -> dict[str, list[Reference]]:
    """Slide → its image files in the package."""
    found: dict[str, list[Reference]] = {}
    for image in summary.images:
        if image.path:
            found.setdefault(image.slide_id, []).append(_to(image.path))
    return found


def _add_slide(crate: ROCrate, slide: PackagedSlide, images: list[Reference] | None) -> Reference:
    facts = {
        "mpp_x": ("scale along x", slide.mpp_x, "µm per pixel of level 0"),
        "mpp_y": ("scale along y", slide.mpp_y, "µm per pixel of level 0"),
        "width": ("width of level 0", slide.width_px, "pixels"),
        "height": ("height of level 0", slide.height_px, "pixels"),
    }
    identity = f"#slide-{slide.slide_id}"
    values = [
        _add(
            crate,
            f"{identity}-{key}",
            "PropertyValue",
            name=name,
            propertyID=key,
            value=value,
            unitText=unit,
        )
        for key, (name, value, unit) in facts.items()
        if value is not None
    ]
    about: dict[str, Any] = {"additionalProperty": values} if values else {}
    if slide.source_sha256:
        about["sha256"] = slide.source_sha256
    where = "its original image is not in this package"
    if images:
        where = "a de-identified copy of its image is in this package"
        picture = _to(layout.picture_name(slide.slide_id))
        about |= {"associatedMedia": images, "thumbnail": picture}
    return _add(
        crate,
        identity,
        ["CreativeWork", "ImageObject"],
        name=f"Slide {slide.slide_id}",
        description=f"Glass slide, stain {slide.stain}; {where}",
        identifier=slide.slide_id,
        **about,
    )


def _add_action(crate: ROCrate, summary: PackageSummary, slides: list[Reference]) -> None:
    _add_software(crate, _SOFTWARE, "pathoai")
    _add(
        crate,
        _ACTION,
        "CreateAction",
        name="Annotation, validation and packaging",
        description="Outlines were proposed, then validated or corrected; the edits are in the "
        "journal files. The agent exported the package; approval.json says who approved it."
        + (f" Images were de-identified: {layout.DEID_REPORT}." if summary.image_hashes else ""),
        instrument=_to(_SOFTWARE),
        agent=_to(_EXPORTER),
        object=slides,
        result=[
            *(_to(layout.geojson_name(slide.slide_id)) for slide in summary.slides),
            *map(_to, summary.image_hashes),
        ],
        startTime=summary.started,
        endTime=summary.ended,
        actionStatus=_COMPLETED,
    )


def _describe_root(
    crate: ROCrate,
    summary: PackageSummary,
    slides: list[Reference],
    actions: list[Reference],
) -> None:
    licence = summary.licence
    profile = _add(
        crate,
        _PROFILE,
        ["CreativeWork", "Profile"],
        name="Process Run Crate",
        version="0.5",
    )
    authors = [_to(_of_annotator(a)) for a in _authors(summary)]
    root = crate.root_dataset
    facts: dict[str, Any] = {
        "name": summary.title,
        "description": summary.description,
        "identifier": summary.package_id.urn,
        "version": summary.version,
        "datePublished": summary.day.isoformat(),
        "license": _add(
            crate,
            licence.iri,
            "CreativeWork",
            name=licence.name,
            identifier=licence.spdx,
            description=f"SPDX licence {licence.spdx}",
        ),
        "conditionsOfAccess": summary.tier.access.words,
        "conformsTo": profile,
        "author": authors,
        "isBasedOn": slides,
        "keywords": ["digital pathology", "whole-slide imaging", "annotation"],
        "mentions": actions,
        "variableMeasured": _add_counts(crate, summary),
    }
    for key, value in facts.items():
        root[key] = value


def _add_counts(crate: ROCrate, summary: PackageSummary) -> list[Reference]:
    return [
        _add(
            crate,
            f"#count-{dimension}-{_NOT_IN_AN_ID.sub('-', value)}",
            "PropertyValue",
            name=f"annotations, {dimension} {value}",
            propertyID=count_id(dimension, value),
            value=int(count) if count.isdecimal() else count,
        )
        for dimension, value, count in summary.counts.lines()
    ]
