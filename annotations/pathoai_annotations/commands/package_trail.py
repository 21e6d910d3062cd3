"""What is done with a finished package, in the audit trail of the study that it was made of."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded only where a study is named
    from pathoai.privacy.audit_entry import Action
    from pathoai.study.study import Study


def add_study(parser: ArgumentParser) -> None:
    """Let a word that is told a package be told its study, too.

    The command line enters every word that names a study into its trail, before and after.
    """
    parser.add_argument(
        "--study",
        type=Path,
        metavar="STUDY",
        help="the study that the package was made of: it goes into its audit trail",
    )


def study_of(options: Namespace, package: Path) -> Study | None:
    """The study that the options name; where none, it is said that nothing is entered.

    Args:
        options: Of the command.
        package: The bag's folder.

    Raises:
        PackageError: The package is of another study.
        StudyError: There is no study.
    """
    from pathoai.errors import PackageError
    from pathoai.study.study import Study
    from pathoai_annotations.package.bag import identifier_of
    from pathoai_annotations.package.summary import package_id_of

    if options.study is None:
        print("in no audit trail: name the study by --study STUDY where you have it")
        return None
    study = Study(options.study)
    if identifier_of(package) != package_id_of(study).urn:
        raise PackageError(
            "the package was made of another study",
            where="--study",
            remedy="name the study that it was built from",
        )
    return study


def enter(study: Study | None, action: Action, package: Path, **facts: str) -> None:
    """Enter which package it was, by the hash of its manifest.

    Args:
        study: Where None, nothing is entered.
        action: What was done.
        package: The bag's folder.
        **facts: Codes and words.

    Raises:
        AuditError: A fact could be a path, or others write all the time.
        OSError: The study or the vault cannot be written.
    """
    if study is None:
        return
    from pathoai.privacy.audit_trail import AuditTrail
    from pathoai.provenance import sha256_of_file
    from pathoai_annotations.package import layout

    trail = AuditTrail.open(study)
    digest = sha256_of_file(package / layout.MANIFEST)
    trail.append(action, trail.account(), {"package": digest, **facts})
