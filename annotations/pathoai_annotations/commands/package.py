"""``pathoai package``: what is signed off leaves the study, and is checked where it arrives."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action
from pathoai_annotations.commands import package_protection, package_sharing
from pathoai_annotations.commands.package_trail import add_study

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai.errors import PathoaiError
    from pathoai.progress import Advance
    from pathoai.study.study import Study
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.build import BuiltPackage
    from pathoai_annotations.package.release import Release

_BUILD = (
    "pathoai package build my-study my-package --approved-by DPO1 "
    "--role 'data protection officer' --opposition-date 2026-01-31"
)
_APPROVE = (
    "pathoai package approve my-package --approved-by DPO1 --role 'data protection officer' "
    "--individualisation 'codes, no dates' --correlation 'codes of this project alone' "
    "--inference 'outlines of tissue only'"
)


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="WORD", required=True)
    _configure_build(add_action(words, "build", "package what readers signed off", _BUILD))
    _configure_approve(add_action(words, "approve", "let a finished package go", _APPROVE))
    verify = add_action(words, "verify", "check a package", "pathoai package verify my-package")
    verify.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    verify.add_argument(
        "--signed-by", type=Path, metavar="FILE", help="public key (.pub) that must have signed it"
    )
    verify.add_argument(
        "--words",
        type=Path,
        metavar="FILE",
        help="also look for words that must not be in it, one a line (names, numbers, birth dates "
        "of your patients), in every usual spelling and inside compressed files; neither kept nor "
        "repeated",
    )
    verify.set_defaults(package_run=_verify)
    opened = add_action(
        words, "open", "make a study of a package", "pathoai package open my-package my-study"
    )
    opened.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    opened.add_argument("study", type=Path, metavar="STUDY", help="the study folder to make")
    opened.set_defaults(package_run=_open)
    package_sharing.add_words(words)
    package_protection.add_words(words)


def _configure_build(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    parser.add_argument(
        "--tier",
        choices=("internal", "controlled", "open"),
        default="internal",
        help="how far it may travel (default: internal); what leaves the institution is approved "
        "once it is built, by somebody else, with `pathoai package approve`",
    )
    parser.add_argument(
        "--without-images",
        action="store_true",
        help="leave the slides out of a controlled or open package, which holds de-identified "
        "copies of them otherwise; an internal one never does",
    )
    parser.add_argument("--exported-by", metavar="CODE", help="code of who exports; never a name")
    parser.add_argument("--approved-by", metavar="CODE", help="code of who approved; never a name")
    parser.add_argument("--role", metavar="TEXT", help="e.g. 'data protection officer'")
    parser.add_argument(
        "--opposition-date",
        metavar="YYYY-MM-DD",
        help="the day on which the list of patients who objected was last applied (default: as "
        "`pathoai oppose` noted it)",
    )
    parser.add_argument(
        "--approved-on",
        metavar="YYYY-MM-DD",
        help="the day of the approval (default: the opposition date, or the day of the last edit "
        "where that is later)",
    )
    parser.add_argument("--version", default="1.0.0", help="of the data (default: 1.0.0)")
    parser.add_argument("--why", metavar="TEXT", help="reason for this version, in a line")
    parser.add_argument(
        "--licence", default="CC-BY-4.0", metavar="SPDX", help="of the data (default: CC-BY-4.0)"
    )
    parser.add_argument("--title", help="one line (default: the study's own)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="let an approved or signed package at OUT go where the new one differs from it",
    )
    parser.add_argument(
        "--encrypt-to",
        action="append",
        default=[],
        metavar="RECIPIENT",
        help="write OUT.age as well, which whoever has this key alone can read (age1…, or "
        "'ssh-ed25519 …'; needs [fair]); may be given more than once",
    )
    parser.set_defaults(package_run=_build)


def _configure_approve(parser: ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    parser.add_argument("--approved-by", metavar="CODE", help="your code; never a name")
    parser.add_argument("--role", metavar="TEXT", help="e.g. 'data protection officer'")
    parser.add_argument("--approved-on", metavar="YYYY-MM-DD", help="the day (default: today)")
    for name, meaning in (
        ("individualisation", "why no person can be singled out"),
        ("correlation", "why records of one person cannot be linked with other data"),
        ("inference", "why nothing can be inferred of a person"),
    ):
        parser.add_argument(f"--{name}", metavar="TEXT", default="", help=meaning)
    add_study(parser)
    parser.set_defaults(package_run=_approve)


def run(options: Namespace) -> None:
    options.package_run(options)


def _build(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai.provenance import utc_now
    from pathoai.study.study import Study
    from pathoai_annotations.commands.package_trail import enter
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.build import build_package
    from pathoai_annotations.package.protection.encryption import encrypt_beside
    from pathoai_annotations.record import told_waiting

    study, started = Study(options.study), utc_now()
    approval = _who_answers(options, study)
    if options.encrypt_to and not isinstance(approval, Approval):
        raise _not_yet_to_send()
    with _bars() as bar:
        built = build_package(
            study,
            options.out,
            approval=approval,
            version=options.version,
            licence=options.licence,
            title=options.title,
            why=options.why,
            replace=options.replace,
            advance_images=bar("de-identifying (MiB)"),
            advance=bar("packaging"),
        )
    if not built.is_unchanged:
        _record(study, options, started)
    who = options.approved_by or options.exported_by
    enter(study, Action.EXPORT, options.out, tier=options.tier, by=who, version=options.version)
    print(f"package {built.path.name}: {_said(built, is_approved=isinstance(approval, Approval))}")
    if built.before and not built.is_unchanged:
        print(f"  the {' and the '.join(built.before)} of the package that lay there: gone with it")
    if options.encrypt_to:
        encrypted = encrypt_beside(options.out, options.encrypt_to)
        enter(study, Action.KEY, options.out, recipients=str(len(options.encrypt_to)))
        print(f"{encrypted.name}: the same, encrypted; the folder stays here")
    if built.waiting:
        print(f"left out: {told_waiting(built.waiting)}")
        print(f"  once read: {built.waiting[0].remedies[0]}")


def _said(built: BuiltPackage, *, is_approved: bool) -> str:
    """What became of the build."""
    if built.is_unchanged:
        verb = "stands" if len(built.before) == 1 else "stand"
        return f"unchanged; its {' and its '.join(built.before)} {verb}"
    if is_approved:
        return "built and verified; give the whole folder on, nothing less"
    return "built; somebody else must approve it: pathoai package approve OUT"


@contextmanager
def _bars() -> Iterator[Callable[[str], Advance]]:
    """Bars that are shown once they are told something: not every package has images."""
    from pathoai.progress import progress_bars

    shown: dict[str, Advance] = {}
    with ExitStack() as stack:
        bar: list[Callable[[str], Advance]] = []

        def advance(description: str, done: int, total: int) -> None:
            if not bar:
                bar.append(stack.enter_context(progress_bars()))
            if description not in shown:
                shown[description] = bar[0](description)
            shown[description](done, total)

        yield lambda description: partial(advance, description)


def _not_yet_to_send() -> PathoaiError:
    from pathoai.errors import PackageError

    return PackageError(
        "nothing is sent before somebody approved it",
        where="--encrypt-to",
        remedy="build it without, let it be approved, then `pathoai package encrypt OUT FILE.age`",
    )


def _who_answers(options: Namespace, study: Study) -> Approval | Release:
    """Who approves, inside the institution; else who exports what awaits its approval."""
    from pathoai.errors import PackageError
    from pathoai.privacy.opposition import opposition_applied
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.opposition_day import refuse_before_study
    from pathoai_annotations.package.release import Release, opposition_day

    noted = opposition_applied(study.path)
    if options.opposition_date:
        refuse_before_study(study, opposition_day(options.opposition_date))
    opposition_date = options.opposition_date or (noted.isoformat() if noted else None)
    approval = (options.approved_by, options.role, opposition_date, options.approved_on)
    if options.tier == "internal" and not options.exported_by:
        return Approval.from_text(*approval)
    if options.approved_by or options.role or options.approved_on:
        raise PackageError(
            "who exports a package does not approve it in one go",
            where="--approved-by",
            allowed="--exported-by CODE alone",
            remedy="build it without, then let it be approved: `pathoai package approve OUT`",
        )
    return Release.from_text(
        options.tier,
        options.exported_by,
        opposition_date,
        with_images=not options.without_images,
    )


def _approve(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai_annotations.commands.package_trail import enter, study_of
    from pathoai_annotations.package.approve import approval_of, approve_package

    who = (options.approved_by, options.role, options.approved_on)
    reasons = (options.individualisation, options.correlation, options.inference)
    approval = approval_of(options.out, *who, reasons)
    study = study_of(options, options.out)
    with _bars() as bar:
        approve_package(options.out, approval, bar("comparing pixels"))
    enter(study, Action.APPROVE, options.out, approved_by=approval.approved_by)
    print(f"package {options.out.name}: approved; give the whole folder on, nothing less")


def _record(study: Study, options: Namespace, started: str) -> None:
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai_annotations.package import layout
    from pathoai_annotations.package.release import Release

    slides = layout.geojson_files(options.out)
    cohort = study.cohort
    ProvenanceRecord(
        "package build",
        {
            "version": options.version,
            "licence": options.licence,
            "approved_by": options.approved_by,
            **Release.read(options.out).to_json(),
        },
        {f"slide/{slide_id}": cohort[slide_id].source_sha256 for slide_id in slides},
        {"package": sha256_of_file(options.out / layout.TAG_MANIFEST)},
        started,
        utc_now(),
    ).write(study.provenance_path)


def _verify(options: Namespace) -> None:
    from pathoai.byte_search.word_list import word_list
    from pathoai.errors import PackageError
    from pathoai_annotations.package.verify import verify_package

    words = None if options.words is None else word_list(options.words)
    with _bars() as bar:
        report = verify_package(
            options.out,
            signed_by=options.signed_by,
            words=words,
            advance=bar("comparing pixels"),
        )
    for note in report.notes:
        print(f"note: {note}")
    for finding in report.findings:
        print(finding)
    if not report.ok:
        raise PackageError(
            "the package does not verify",
            where=options.out.name,
            found=f"{len(report.findings)} findings",
            remedy="see the findings above",
        )
    print(
        f"verified: {report.files} files, {report.annotations} annotations on {report.slides} "
        "slides"
    )
    if words is not None:
        print(f"none of {len(words)} words was found in them")


def _open(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai_annotations.commands.package_trail import enter
    from pathoai_annotations.package.open_package import open_package

    study = open_package(options.out, options.study)
    enter(study, Action.ACCESS, options.out, opened="yes")
    print(f"study {study.path.name}: {len(study.cohort)} slides; see `pathoai cohort show STUDY`")


COMMAND = Command(
    "package", "package validated annotations, verify or open a package", _BUILD, configure, run
)
