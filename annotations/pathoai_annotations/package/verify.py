"""Verifying a package with nothing but the package: needs no study, no journal, no network."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pathoai.errors import MissingFileError, PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.check_annotations import AnnotationCheck
from pathoai_annotations.package.check_approval import check_approval
from pathoai_annotations.package.check_audits import check_audits
from pathoai_annotations.package.check_catalogue import check_catalogue
from pathoai_annotations.package.check_files import check_bag, check_files
from pathoai_annotations.package.check_privacy import check_privacy
from pathoai_annotations.package.check_statements import check_statements
from pathoai_annotations.package.erasure import check_erasure
from pathoai_annotations.package.finding import Finding, VerificationReport
from pathoai_annotations.package.models import check_model_cards
from pathoai_annotations.package.protection.signature import check_signature
from pathoai_annotations.package.registrations import check_registrations
from pathoai_annotations.package.sign_offs import check_sign_offs


def verify_package(path: Path, *, signed_by: Path | None = None) -> VerificationReport:
    """Check that a package is whole, unaltered, consistent, approved and free of names.

    * Files: on disk, in the bag's manifest and in the crate are the same files with the same
      hashes, and the ``bagit`` library finds the bag valid; Croissant and datapackage agree.
    * Annotations: GeoJSON reads, is the same after writing, has unique UUIDs, known classes and
      only annotations of record; tables, logs of edits and counts agree with it.
    * Models: there is a card for each that proposed something; registrations are of its slides.
    * Sign-offs: each annotation was judged right by a reader who signed its slide off since.
    * Statements: a licence, a day of publication, and no code that the dictionary lacks.
    * Approval: there is one, dated, not before objections were applied or annotations edited.
    * People: nobody is in it whom its own list of the erased names.
    * Signature: where there is one, it holds.
    * Audits: what they say of labels follows from the tiles that were judged.
    * Privacy: slides are codes; no text holds an e-mail address, an absolute path, or the name of
      this computer or its user.

    Args:
        path: The folder of the package.
        signed_by: File of the public key that must have signed it; where None, any key will do,
            and no signature, too.

    Returns:
        All findings; ``ok`` where there is none.

    Raises:
        MissingFileError: Nothing lies there, or there is no such key.
        PackageError: What lies there is no package.
        ProtectionError: ``signed_by`` is no public key.
    """
    require_package(path)
    annotations = AnnotationCheck(path)
    content, last_edit = _findings(path, annotations)
    signature = check_signature(path, signed_by)
    findings = [*content, *check_approval(path, last_edit), *signature]
    tally = annotations.tally
    return VerificationReport(
        tuple(findings), len(payload_files(path)), len(tally.by_slide), tally.annotations
    )


def content_findings(path: Path) -> tuple[list[Finding], date | None]:
    """What is wrong with a package that may still await its approval.

    Returns:
        All findings but those on approval and signature, and the day (UTC) of the last edit.
    """
    return _findings(path, AnnotationCheck(path))


def _findings(path: Path, annotations: AnnotationCheck) -> tuple[list[Finding], date | None]:
    files = list(check_files(path))
    # A second opinion: where we found damage, it would only repeat it.
    bag = [] if files else [*check_bag(path), *check_catalogue(path)]
    content = annotations.run()
    if not content:
        content = [*check_model_cards(path, annotations.tally.models), *check_sign_offs(path)]
    statements = list(check_statements(path))
    content += check_registrations(path)
    people = [*check_erasure(path), *check_audits(path), *check_privacy(path)]
    return [*files, *bag, *statements, *content, *people], annotations.last_day


def require_package(path: Path) -> None:
    """Refuse what is no package.

    Raises:
        MissingFileError: Nothing lies there.
        PackageError: What lies there is none.
    """
    if not path.exists():
        raise MissingFileError("no such package", where=path.name)
    metadata, bag = path / layout.PAYLOAD / layout.METADATA, path / layout.BAG_DECLARATION
    if not metadata.is_file() and not (bag.is_file() and (path / layout.PAYLOAD).is_dir()):
        raise PackageError(
            "not a package",
            where=path.name,
            allowed="a folder that `pathoai package build` made",
            remedy="name the folder that holds bagit.txt",
        )
