"""What a package says of itself: the same facts for its crate, its README and its landing page."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from pathoai.errors import PackageError
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.licence import Licence
from pathoai_annotations.package.slides import PackagedSlide
from pathoai_annotations.package.tally import Tally
from pathoai_annotations.package.tier import Tier

ACCESS = Tier.INTERNAL.access.words
_VERSION = re.compile(r"\d+\.\d+\.\d+([-+.][0-9A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """Everything that people and catalogues ask of a package.

    Args:
        package_id: The same for all versions of the package of one study.
        title: One line.
        version: Of the data, e.g. ``1.0.0``.
        licence: Of the data.
        approval: Settled.
        ontology: The classes.
        slides: Sorted by code.
        tally: Counts of the annotations.
        started: Time of the first edit, ISO 8601, UTC.
        ended: Time of the last.
        audits: Keys of the markers whose labels were audited.
    """

    package_id: uuid.UUID
    title: str
    version: str
    licence: Licence
    approval: Approval
    ontology: Ontology
    slides: tuple[PackagedSlide, ...]
    tally: Tally
    started: str
    ended: str
    audits: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """A plain sentence where the demonstration validated annotations; empty otherwise."""
        count, total = self.tally.by_demonstration, self.tally.annotations
        if count == 0:
            return ""
        whole = "All" if count == total else f"{count} of"
        return (
            f"{whole} {total} annotations were validated by the demonstration and by no "
            "pathologist: they show how pathoai works and must not be used as ground truth."
        )

    @property
    def description(self) -> str:
        """What the package holds, in a few sentences."""
        sentences = (
            f"{self.tally.annotations} validated annotations on {len(self.slides)} coded "
            f"whole-slide images, with the classes of ontology {self.ontology.key} "
            f"{self.ontology.version} ({self.ontology.title}).",
            "Outlines are GeoJSON in pixels of level 0; images are named by code and hash only.",
            f"The list of patients who objected was applied on {self.approval.opposition_date}.",
            self.warning,
        )
        return " ".join(sentence for sentence in sentences if sentence)


def package_id_of(study: Study) -> uuid.UUID:
    """The identity of a study's package; the study's own, which names its vault, stays inside."""
    return uuid.uuid5(uuid.UUID(study.sheet.uuid), "annotation package")


def check_version(version: str) -> str:
    """The version, if it is one.

    Raises:
        PackageError: It is none.
    """
    if not _VERSION.fullmatch(version):
        raise PackageError(
            "malformed version",
            where="--version",
            found=repr(version),
            allowed="three numbers with dots, e.g. 1.0.0",
            remedy="raise the last number for corrections, the second for more data",
        )
    return version


def one_line(title: str) -> str:
    """A title without line breaks, tabs and repeated blanks.

    Raises:
        PackageError: Nothing is left.
    """
    line = " ".join(title.split())
    if not line:
        raise PackageError("the title is empty", where="--title", remedy="say what the data are")
    return line
