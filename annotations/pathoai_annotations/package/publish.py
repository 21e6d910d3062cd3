"""What a repository asks for at a deposit, written to files; nothing is sent.

DataCite as JSON and XML, metadata as Zenodo's deposit interface takes them, and as the native
interface of Dataverse does, which recherche.data.gouv.fr runs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.datacite import datacite_xml
from pathoai_annotations.package.fair.accessible import tier_of
from pathoai_annotations.package.fair.documents import Documents
from pathoai_annotations.package.finding import REBUILD
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import verify_package

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_SUBJECT = "Medicine, Health and Life Sciences"  # of Dataverse's fixed list


@dataclass(frozen=True, slots=True)
class Depositor:
    """Who deposits: an institution, with an address that may be published.

    Args:
        institution: Its name.
        contact: An e-mail address of its own, such as a data office's.
        doi: The DOI that the repository reserved; empty where it has none yet.

    Raises:
        PackageError: The contact is no address, or the DOI none.
    """

    institution: str
    contact: str
    doi: str = ""

    def __post_init__(self) -> None:
        """Refuse what a repository would refuse."""
        if not self.institution.strip():
            raise PackageError("the institution is empty", where="--institution")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.contact):
            raise PackageError(
                "no e-mail address", where="--contact", remedy="name the address of a data office"
            )
        if self.doi and not _DOI.fullmatch(self.doi):
            raise PackageError(
                "malformed DOI",
                where="--doi",
                found=repr(self.doi),
                allowed="as in 10.5281/zenodo.123",
            )


def write_deposit(package: Path, out: Path, depositor: Depositor) -> tuple[Path, ...]:
    """Write the metadata of a deposit.

    Args:
        package: The bag's folder; it is verified first.
        out: A folder that does not exist, or is empty.
        depositor: Who deposits.

    Returns:
        The files.

    Raises:
        MissingFileError: There is no package.
        PackageError: The package does not verify or is internal, its DataCite record is malformed,
            or ``out`` holds something.
        OSError: The disk is full or read-only.
    """
    findings = verify_package(package).findings
    if findings:
        raise PackageError(
            "the package does not verify, so it is not for a repository",
            where=package.name,
            found=f"{findings[0].where}: {findings[0].what}",
            remedy="see `pathoai package verify`",
        )
    documents = Documents(package)
    tier = tier_of(documents)
    if tier is None or not tier.is_published:
        raise PackageError(
            "an internal package is not for a repository",
            where=package.name,
            allowed="tiers controlled and open",
            remedy="build it with --tier controlled or --tier open, and have it approved",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PackageError("the folder is not empty", where=out.name, remedy="choose another")
    try:
        files = deposit_files(documents.datacite, tier, depositor)
    except (LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise PackageError(
            "the DataCite record is not as pathoai writes it",
            where=layout.DATACITE,
            found=type(error).__name__,
            remedy=REBUILD,
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, "utf8", newline="\n")
    return tuple(sorted(out.iterdir()))


def deposit_files(record: dict[str, Any], tier: Tier, depositor: Depositor) -> dict[str, str]:
    """The files of a deposit: name → text.

    Args:
        record: The package's DataCite record.
        tier: How far it may travel.
        depositor: Who deposits.
    """
    named = {**record, "publisher": {"name": depositor.institution}}
    if depositor.doi:
        named["doi"] = depositor.doi
        xml = datacite_xml(named, depositor.doi)
    else:
        xml = datacite_xml(named)
    return {
        "datacite.json": _json(named),
        "datacite.xml": xml,
        "zenodo.json": _json(_zenodo(named, tier, depositor)),
        "dataverse.json": _json(_dataverse(named, tier, depositor)),
    }


def _json(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _issued(record: dict[str, Any]) -> str:
    return next(str(one["date"]) for one in record["dates"] if one["dateType"] == "Issued")


def _zenodo(record: dict[str, Any], tier: Tier, depositor: Depositor) -> dict[str, Any]:
    free = tier.access.is_free
    licence = record["rightsList"][0]
    metadata: dict[str, Any] = {
        "upload_type": "dataset",
        "title": record["titles"][0]["title"],
        "description": record["descriptions"][0]["description"],
        "creators": [
            {"name": one["name"], "affiliation": depositor.institution}
            for one in record["creators"]
        ],
        "publication_date": _issued(record),
        "access_right": "open" if free else "restricted",
        "license": licence["rightsIdentifier"].lower(),
        "keywords": [one["subject"] for one in record["subjects"]],
        "version": record["version"],
        "language": "eng",
        "notes": f"Identifier of all versions: {_urn(record)}. Start with {layout.LANDING_PAGE}.",
    }
    if depositor.doi:
        metadata["doi"] = depositor.doi
    if not free:
        # Zenodo takes no licence for what it does not hand out, and asks for conditions instead.
        del metadata["license"]
        metadata["access_conditions"] = f"{tier.access.words}. Ask {depositor.contact}."
    return {"metadata": metadata}


def _urn(record: dict[str, Any]) -> str:
    return str(record["alternateIdentifiers"][0]["alternateIdentifier"])


def _dataverse(record: dict[str, Any], tier: Tier, depositor: Depositor) -> dict[str, Any]:
    licence, text = record["rightsList"][0], record["descriptions"][0]["description"]
    fields = [
        _field("title", record["titles"][0]["title"]),
        _compounds(
            "author",
            [
                {"authorName": one["name"], "authorAffiliation": depositor.institution}
                for one in record["creators"]
            ],
        ),
        _compounds(
            "datasetContact",
            [
                {
                    "datasetContactName": depositor.institution,
                    "datasetContactEmail": depositor.contact,
                }
            ],
        ),
        _compounds("dsDescription", [{"dsDescriptionValue": text}]),
        _vocabulary("subject", [_SUBJECT]),
        _compounds("keyword", [{"keywordValue": one["subject"]} for one in record["subjects"]]),
        _vocabulary("language", ["English", "French"]),
        _compounds("otherId", [{"otherIdAgency": "UUID (RFC 9562)", "otherIdValue": _urn(record)}]),
        _field("productionDate", _issued(record)),
        _vocabulary("kindOfData", ["Dataset"]),
    ]
    block = {"displayName": "Citation Metadata", "fields": fields}
    return {
        "datasetVersion": {
            "license": {"name": licence["rightsIdentifier"], "uri": licence["rightsUri"]},
            "termsOfAccess": tier.access.words,
            "fileAccessRequest": not tier.access.is_free,
            "metadataBlocks": {"citation": block},
        }
    }


def _field(name: str, value: str) -> dict[str, Any]:
    return {"typeName": name, "typeClass": "primitive", "multiple": False, "value": value}


def _vocabulary(name: str, values: list[str]) -> dict[str, Any]:
    return {
        "typeName": name,
        "typeClass": "controlledVocabulary",
        "multiple": True,
        "value": values,
    }


def _compounds(name: str, values: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "typeName": name,
        "typeClass": "compound",
        "multiple": True,
        "value": [{key: _field(key, text) for key, text in one.items()} for one in values],
    }
