"""The crate's metadata: every file with its hash, and who did what with which program.

RO-Crate 1.3 with the profile Process Run Crate 0.5. The profile's own validator still asks for
1.1, so the descriptor conforms to both: https://w3id.org/ro/crate/1.3 and 1.1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathoai import __version__
from pathoai.provenance import sha256_of_file, software_versions
from pathoai_annotations.package import layout
from pathoai_annotations.package.content import LICENCES, PackageContent, Release
from pathoai_annotations.package.texts import headline, summary

_SPECIFICATIONS = ("https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/crate/1.1")
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_COMPLETED = "http://schema.org/CompletedActionStatus"
# A package URL (https://github.com/package-url/purl-spec) names a version; it claims no web page.
_TOOL = f"pkg:pypi/pathoai@{__version__}"

_DESCRIPTIONS = {
    layout.LANDING_PAGE: "Landing page",
    layout.README: "What is in the package, for people",
    layout.LICENCE: "Licence of the annotations and the metadata",
    layout.SLIDES: "Slides by code and SHA-256",
    layout.ANNOTATIONS: "Annotations, one row each",
    layout.ANNOTATORS: "Authors by code, with their edits counted",
    layout.CLASSES: "Classes with index, colour and clinical codes",
    layout.APPROVAL: "Who allowed the package to leave, and when opposition was applied",
    layout.BUILD: "What made the package",
}


def build_record(content: PackageContent, release: Release) -> str:
    """The provenance record of the package, JSON.

    No clock is read: the moment is that of the last edit, so the same study gives the same bytes.
    """
    record = {
        "@type": "CreateAction",
        "action": "pathoai package build",
        "agent": {"code": release.approval.approved_by, "role": release.approval.role},
        "startTime": min(content.first_at.values()),
        "endTime": max(content.last_at.values()),
        "parameters": {
            "version": release.version,
            "licence": release.licence,
            "ontology": f"{content.ontology.key} {content.ontology.version}",
        },
        "inputs": {f"slide/{row.slide_id}": row.source_sha256 for row in content.slides},
        "software": software_versions(),
    }
    return json.dumps(record, indent=1, sort_keys=True) + "\n"


def crate_metadata(
    payload: Path, names: list[str], content: PackageContent, release: Release
) -> str:
    """The text of ``ro-crate-metadata.json``.

    Args:
        payload: The crate's root, with all other files in it.
        names: Their names, relative to it.
        content: What the package says.
        release: How it leaves.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    # Sorting, and writing none of the library's own times, makes the bytes repeatable.
    crate = ROCrate(version="1.3")
    crate.metadata["conformsTo"] = [{"@id": iri} for iri in _SPECIFICATIONS]
    for name in names:
        crate.add_file(dest_path=name, properties=_file(payload, name))
    for identifier, properties in _context(content, release).items():
        crate.add(ContextEntity(crate, identifier, properties=properties))
    for key, value in _root(content, release).items():
        crate.root_dataset[key] = value
    raw = crate.metadata.generate()
    first = {layout.CRATE: 0, "./": 1}
    raw["@graph"].sort(key=lambda entity: (first.get(entity["@id"], 2), entity["@id"]))
    for entity in raw["@graph"]:
        if isinstance(entity.get("hasPart"), list):
            entity["hasPart"].sort(key=lambda part: part["@id"])
    return json.dumps(raw, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _file(payload: Path, name: str) -> dict[str, Any]:
    path = payload / name
    slide_id = layout.slide_of(name) if name.startswith(layout.GEOJSON_FOLDER) else ""
    properties: dict[str, Any] = {
        "name": name,
        "description": _DESCRIPTIONS.get(name, f"Annotations of slide {slide_id}"),
        "encodingFormat": layout.MEDIA_TYPES[path.suffix],
        "contentSize": str(path.stat().st_size),
        "sha256": sha256_of_file(path),
    }
    if slide_id:
        properties["about"] = {"@id": f"#slide-{slide_id}"}
    return properties


def _root(content: PackageContent, release: Release) -> dict[str, Any]:
    root: dict[str, Any] = {
        "name": headline(content),
        "description": summary(content),
        "identifier": {"@id": content.package_id.urn},
        "author": _one_or_all(_people(content)),
        "version": release.version,
        "datePublished": release.approval.opposition_date.isoformat(),
        "license": {"@id": release.licence_iri},
        "conformsTo": {"@id": _PROFILE},
        "conditionsOfAccess": f"tier {release.approval.tier}",
        "keywords": f"digital pathology, whole-slide image, annotation, {content.ontology.key}",
        "mentions": [{"@id": identifier} for identifier in _actions(content)],
        "about": _one_or_all([f"#slide-{row.slide_id}" for row in content.slides]),
    }
    if content.responsible:
        root["publisher"] = {"@id": "#responsible"}
    return root


def _context(content: PackageContent, release: Release) -> dict[str, dict[str, Any]]:
    entities: dict[str, dict[str, Any]] = {
        _PROFILE: {
            "@type": ["CreativeWork", "Profile"],
            "name": "Process Run Crate",
            "version": "0.5",
        },
        release.licence_iri: {
            "@type": "CreativeWork",
            "name": LICENCES[release.licence],
            "description": "Licence of the annotations and the metadata; images are not included",
            "identifier": release.licence_iri,
            "url": release.licence_iri,
        },
        _TOOL: {
            "@type": "SoftwareApplication",
            "name": "pathoai",
            "version": __version__,
            "url": _TOOL,
        },
        content.package_id.urn: {
            "@type": "PropertyValue",
            "propertyID": "https://www.rfc-editor.org/rfc/rfc9562",
            "name": "UUID of the package through its versions",
            "value": str(content.package_id),
        },
        "#approver": {
            "@type": "Person",
            "name": release.approval.approved_by,
            "jobTitle": release.approval.role,
        },
    }
    if content.responsible:
        entities["#responsible"] = {"@type": "Organization", "name": content.responsible}
    return (
        entities | _slides(content) | _annotators(content) | _programs(content) | _actions(content)
    )


def _slides(content: PackageContent) -> dict[str, dict[str, Any]]:
    return {
        f"#slide-{row.slide_id}": {
            "@type": "CreativeWork",
            "name": f"Slide {row.slide_id} ({row.stain})",
            "identifier": row.slide_id,
            "sha256": row.source_sha256,
            "description": "A whole-slide image that is not part of this package",
        }
        for row in content.slides
    }


def _people(content: PackageContent) -> list[str]:
    return [f"#author-{record.author}" for record in content.authors if not record.is_program]


def _annotators(content: PackageContent) -> dict[str, dict[str, Any]]:
    return {
        f"#author-{record.author}": {
            "@type": "Person",
            "name": record.author,
            "description": "demonstration: no person stands behind this code"
            if record.is_demonstration
            else "author by code",
        }
        for record in content.authors
        if not record.is_program
    }


def _programs(content: PackageContent) -> dict[str, dict[str, Any]]:
    """Models and methods that annotations were derived from, by the identifier of each."""
    programs = {}
    for source in sorted({a.derived_from or "" for a in content.all_annotations()}):
        kind, _, name = source.partition(":")
        name, _, digest = name.partition("@")
        if kind not in ("model", "method"):
            continue
        identifier = f"urn:sha256:{digest}" if digest else f"{_TOOL}#{name.replace(' ', '-')}"
        programs[identifier] = {
            "@type": "SoftwareApplication",
            "name": f"{kind} {name}",
            "version": digest or __version__,
            "url": identifier,
        }
    return programs


def _actions(content: PackageContent) -> dict[str, dict[str, Any]]:
    outlines = [layout.geojson_name(row.slide_id) for row in content.slides]
    common: Mapping[str, Any] = {
        "@type": "CreateAction",
        "actionStatus": _COMPLETED,
        "startTime": min(content.first_at.values()),
        "endTime": max(content.last_at.values()),
        "object": _one_or_all([f"#slide-{row.slide_id}" for row in content.slides]),
        "result": _one_or_all(outlines),
    }
    proposing = {
        f"#propose-{number}": {
            **common,
            "name": f"Proposing annotations by {program['name']}",
            "description": "What a program proposed and a person then validated or corrected",
            "instrument": {"@id": identifier},
        }
        for number, (identifier, program) in enumerate(_programs(content).items(), start=1)
    }
    return proposing | {
        "#annotate": {
            **common,
            "name": "Annotating the slides",
            "description": summary(content),
            "agent": _one_or_all(_people(content)),
            "instrument": {"@id": _TOOL},
        },
        "#build": {
            **common,
            "name": "Building the package",
            "description": "Gathering what was validated or corrected, and hashing every file",
            "agent": {"@id": "#approver"},
            "instrument": {"@id": _TOOL},
            "result": [{"@id": name} for name in (*outlines, layout.ANNOTATIONS, layout.BUILD)],
        },
    }


def _one_or_all(identifiers: list[str]) -> dict[str, str] | list[dict[str, str]]:
    """References; JSON-LD as RO-Crate wants it has no list of one."""
    references = [{"@id": identifier} for identifier in identifiers]
    return references[0] if len(references) == 1 else references
