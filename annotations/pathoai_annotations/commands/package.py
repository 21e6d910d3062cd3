"""``pathoai package``: what is signed off leaves the study, and is checked where it arrives."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai.study.study import Study
    from pathoai_annotations.package.approval import Approval

_BUILD = (
    "pathoai package build my-study my-package --approved-by DPO1 "
    "--role 'data protection officer' --opposition-date 2026-01-31"
)


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="build|verify", required=True)
    build = words.add_parser(
        "build",
        help="package what readers validated and signed off",
        epilog=f"example:\n  {_BUILD}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _configure_build(build)
    verify = words.add_parser(
        "verify",
        help="check a package",
        epilog="example:\n  pathoai package verify my-package",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verify.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    verify.set_defaults(package_run=_verify)


def _configure_build(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    parser.add_argument("--approved-by", metavar="CODE", help="code of who approved; never a name")
    parser.add_argument("--role", metavar="TEXT", help="e.g. 'data protection officer'")
    parser.add_argument(
        "--opposition-date",
        metavar="YYYY-MM-DD",
        help="the day on which the list of patients who objected was last applied",
    )
    parser.add_argument(
        "--approved-on",
        metavar="YYYY-MM-DD",
        help="the day of the approval (default: the opposition date, or the day of the last edit "
        "where that is later)",
    )
    parser.add_argument("--version", default="1.0.0", help="of the data (default: 1.0.0)")
    parser.add_argument(
        "--licence", default="CC-BY-4.0", metavar="SPDX", help="of the data (default: CC-BY-4.0)"
    )
    parser.add_argument("--title", help="one line (default: the study's own)")
    parser.set_defaults(package_run=_build)


def run(options: Namespace) -> None:
    options.package_run(options)


def _build(options: Namespace) -> None:
    from pathoai.progress import progress_bar
    from pathoai.provenance import utc_now
    from pathoai.study.study import Study
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.build import build_package
    from pathoai_annotations.record import told_waiting

    approval = Approval.from_text(
        options.approved_by, options.role, options.opposition_date, options.approved_on
    )
    study, started = Study(options.study), utc_now()
    with progress_bar("packaging") as advance:
        built = build_package(
            study,
            options.out,
            approval=approval,
            version=options.version,
            licence=options.licence,
            title=options.title,
            advance=advance,
        )
    _record(study, options, approval, started)
    print(f"package {built.path.name}: built and verified; give the whole folder on, nothing less")
    if built.waiting:
        print(f"left out: {told_waiting(built.waiting)}")
        print(f"  once read: {built.waiting[0].remedies[0]}")


def _record(study: Study, options: Namespace, approval: Approval, started: str) -> None:
    from pathoai.provenance import ProvenanceRecord, sha256_of_file, utc_now
    from pathoai_annotations.package import layout

    slides = layout.geojson_files(options.out)
    cohort = study.cohort
    ProvenanceRecord(
        "package build",
        {
            "version": options.version,
            "licence": options.licence,
            "approved_by": approval.approved_by,
            "opposition_date": approval.opposition_date.isoformat(),
        },
        {f"slide/{slide_id}": cohort[slide_id].source_sha256 for slide_id in slides},
        {"package": sha256_of_file(options.out / layout.TAG_MANIFEST)},
        started,
        utc_now(),
    ).write(study.provenance_path)


def _verify(options: Namespace) -> None:
    from pathoai.errors import PackageError
    from pathoai_annotations.package.verify import verify_package

    report = verify_package(options.out)
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


COMMAND = Command(
    "package", "package validated annotations, or verify a package", _BUILD, configure, run
)
