"""Verifying a package with nothing but the package: needs no study, no journal, no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pathoai.errors import MissingFileError, PackageError
from pathoai.progress import Advance, silent
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.check_annotations import AnnotationCheck
from pathoai_annotations.package.check_approval import check_approval
from pathoai_annotations.package.check_audits import check_audits
from pathoai_annotations.package.check_catalogue import check_catalogue
from pathoai_annotations.package.check_dates import check_dates
from pathoai_annotations.package.check_derived import check_derived, dicom_was_read
from pathoai_annotations.package.check_files import check_bag, check_files
from pathoai_annotations.package.check_images import ImageCheck
from pathoai_annotations.package.check_json import check_json
from pathoai_annotations.package.check_privacy import check_privacy
from pathoai_annotations.package.check_statements import check_statements
from pathoai_annotations.package.check_words import check_words, without_names
from pathoai_annotations.package.erasure import check_erasure
from pathoai_annotations.package.finding import Finding, VerificationReport
from pathoai_annotations.package.models import check_model_cards
from pathoai_annotations.package.protection.signature import check_signature
from pathoai_annotations.package.registrations import check_registrations
from pathoai_annotations.package.sign_offs import check_sign_offs

_DICOM_UNREAD = (
    "the DICOM files were not compared with the outlines: that needs `pip install 'pathoai[dicom]'`"
)


def verify_package(
    path: Path,
    *,
    signed_by: Path | None = None,
    words: Sequence[str] | None = None,
    advance: Advance = silent,
) -> VerificationReport:
    """Check that a package is whole, unaltered, consistent, approved and free of names.

    * Files: on disk, in the bag's manifest and in the crate are the same files with the same
      hashes, and the ``bagit`` library finds the bag valid; Croissant and datapackage agree.
    * JSON: no object has a key twice and nothing is nested without end: all parsers read the same.
    * Annotations: GeoJSON reads, is the same after writing, has unique UUIDs, known classes and
      only annotations of record; tables, logs of edits and counts agree with it.
    * Derived forms: masks are what painting the outlines gives, pixel by pixel; DICOM files read
      back as the outlines and hold no word beyond an allowlist; the loss report tells the rest.
    * Models: there is a card for each that proposed something; registrations are of its slides.
    * Sign-offs: each annotation was judged right by a reader who signed its slide off since.
    * Statements: a licence, a day of publication, and no code that the dictionary lacks.
    * Approval: there is one, dated, not before objections were applied or annotations edited.
    * People: nobody is in it whom its own list of the erased names.
    * Signature: where there is one, it holds.
    * Audits: what they say of labels follows from the tiles that were judged.
    * Images: each is the file that was de-identified, and its decoded pixels are those that were;
      nothing lies beside them. What cannot be decoded here is told as a note.
    * Privacy: slides are codes; no text holds an e-mail address, an absolute path, or the name of
      this computer or its user.
    * Words: none of those given stands in any file, however it is written or packed.

    Args:
        path: The folder of the package.
        signed_by: File of the public key that must have signed it; where None, any key will do,
            and no signature, too.
        words: What must not be in it, as `Words` takes them; findings give the number of a word
            in this list, from 1, never the word.
        advance: Told of slides whose pixels were compared, and slides in all.

    Returns:
        All findings; ``ok`` where there is none.

    Raises:
        MissingFileError: Nothing lies there, or there is no such key.
        PackageError: What lies there is no package.
        ProtectionError: ``signed_by`` is no public key.
        InvalidValueError: A word is too short to be looked for.
    """
    require_package(path)
    annotations, images = AnnotationCheck(path), ImageCheck(path, advance=advance)
    content, last_edit = _findings(path, annotations, images)
    signature = check_signature(path, signed_by)
    findings = [*content, *check_approval(path, last_edit), *signature]
    if words:
        told, named = check_words(path, words)
        findings = [*(without_names(finding, named) for finding in findings), *told]
    tally = annotations.tally
    return VerificationReport(
        tuple(findings),
        len(payload_files(path)),
        len(tally.by_slide),
        tally.annotations,
        (*images.notes, *(() if dicom_was_read(path) else (_DICOM_UNREAD,))),
    )


def content_findings(
    path: Path, images: ImageCheck | None = None
) -> tuple[list[Finding], date | None]:
    """What is wrong with a package that may still await its approval.

    Args:
        path: The folder of the package.
        images: How images are checked; their pixels are compared where not given.

    Returns:
        All findings but those on approval and signature, and the day (UTC) of the last edit.
    """
    return _findings(path, AnnotationCheck(path), images or ImageCheck(path))


def _findings(
    path: Path, annotations: AnnotationCheck, images: ImageCheck
) -> tuple[list[Finding], date | None]:
    files = [*check_files(path), *check_json(path)]
    # A second opinion: where we found damage, it would only repeat it.
    bag = [] if files else [*check_bag(path), *check_catalogue(path)]
    content = annotations.run()
    if not content:
        content = [*check_model_cards(path, annotations.tally.models), *check_sign_offs(path)]
    content += check_derived(path)
    statements = list(check_statements(path))
    content += check_registrations(path)
    people = [*check_erasure(path), *check_audits(path), *check_dates(path), *check_privacy(path)]
    pictures = images.run()
    return [*files, *bag, *statements, *content, *pictures, *people], annotations.last_day


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
