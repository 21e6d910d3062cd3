"""``pathoai package``: what leaves a study, approved and verified."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.errors import PackageError


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    build = words.add_parser("build", help="make a package of the validated annotations")
    build.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    build.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    # Not required by argparse: what is missing deserves a reason, not a usage line.
    build.add_argument("--approved-by", metavar="CODE", help="code of who allows it; never a name")
    build.add_argument("--role", help="that person's function, e.g. 'data protection officer'")
    build.add_argument(
        "--opposition-date", metavar="YYYY-MM-DD", help="day the opposition list was last applied"
    )
    build.add_argument("--version", default="1.0.0", help="of the data (default: %(default)s)")
    build.add_argument(
        "--licence", default="CC-BY-4.0", help="SPDX identifier (default: %(default)s)"
    )
    build.set_defaults(action=_build)
    verify = words.add_parser("verify", help="check a package, wherever it comes from")
    verify.add_argument("out", type=Path, metavar="OUT", help="the package's folder")
    verify.set_defaults(action=_verify)


def run(options: Namespace) -> None:
    options.action(options)


def _build(options: Namespace) -> None:
    from pathoai.study.study import Study
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.build import build_package
    from pathoai_annotations.package.verify import verify_package

    approval = Approval.of_text(options.approved_by, options.role, options.opposition_date)
    out = build_package(
        Study(options.study),
        options.out,
        approval=approval,
        version=options.version,
        licence=options.licence,
    )
    report = verify_package(out)
    print(f"{out.name}: {report.annotations} annotations in {report.files} files, verified")


def _verify(options: Namespace) -> None:
    from pathoai_annotations.package.verify import verify_package

    report = verify_package(options.out)
    for finding in report.findings:
        print(finding)
    if not report.ok:
        raise PackageError(
            "the package does not verify",
            where=options.out.name,
            found=f"{len(report.findings)} findings",
            remedy="see the findings above; do not use the package",
        )
    print(f"{options.out.name}: {report.annotations} annotations in {report.files} files, verified")


COMMAND = Command(
    name="package",
    summary="build a FAIR package of validated annotations, or verify one",
    example="pathoai package build mystudy mystudy-1.0.0 --approved-by DPO1 "
    "--role 'data protection officer' --opposition-date 2026-01-31",
    configure=configure,
    run=run,
)
