"""``pathoai package fair-check`` and ``publish``: how a package stands before strangers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from pathoai.cli.command import add_action
from pathoai_annotations.commands.package_trail import add_study

_CHECK = "pathoai package fair-check my-package"
_PUBLISH = (
    "pathoai package publish my-package my-deposit --institution 'University Hospital' "
    "--contact data-office@hospital.example"
)


def add_words(words: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add both words to the parser of ``pathoai package``."""
    check = add_action(words, "fair-check", "how FAIR a package is, by 17 metrics", _CHECK)
    check.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    check.set_defaults(package_run=_fair_check)
    publish = add_action(
        words, "publish", "write what a repository asks for at a deposit; sends nothing", _PUBLISH
    )
    publish.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    publish.add_argument("deposit", type=Path, metavar="DEPOSIT", help="the folder to make")
    publish.add_argument(
        "--institution", required=True, metavar="NAME", help="who deposits; never a person"
    )
    publish.add_argument(
        "--contact",
        required=True,
        metavar="ADDRESS",
        help="an e-mail address that may be published, e.g. of a data office",
    )
    publish.add_argument(
        "--doi", default="", help="the DOI that the repository reserved, once it has"
    )
    add_study(publish)
    publish.set_defaults(package_run=_publish)


def _fair_check(options: Namespace) -> None:
    from collections import Counter

    from pathoai.errors import PackageError
    from pathoai_annotations.package.fair.metric import Verdict
    from pathoai_annotations.package.fair_check import fair_check

    rows = fair_check(options.out)
    for row in rows:
        print(row)
    counts = Counter(row.verdict for row in rows)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict))
    if failed := [row for row in rows if row.verdict is Verdict.FAIL]:
        raise PackageError(
            "the package is not FAIR",
            where=options.out.name,
            found=f"{len(failed)} of {len(rows)} metrics failed",
            remedy="build the package again from its study; see the rows above",
        )


def _publish(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai_annotations.commands.package_trail import enter, study_of
    from pathoai_annotations.package.publish import Depositor, write_deposit
    from pathoai_annotations.package.verify import require_package

    depositor = Depositor(options.institution, options.contact, options.doi)
    require_package(options.out)
    study = study_of(options, options.out)
    files = write_deposit(options.out, options.deposit, depositor)
    enter(study, Action.EXPORT, options.out, deposit="metadata")
    print(f"written for the deposit, nothing sent: {', '.join(path.name for path in files)}")
