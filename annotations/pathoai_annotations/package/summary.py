"""What a package says of itself: the same facts for its crate, its README and its landing page."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from pathoai.errors import PackageError
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_annotations.package.changes import Changes
from pathoai_annotations.package.images import PackagedImage
from pathoai_annotations.package.licence import Licence
from pathoai_annotations.package.models import PackagedModel
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.shown_counts import PackageCounts, case_count, stain_counts
from pathoai_annotations.package.slides import PackagedSlide
from pathoai_annotations.package.small_counts import ShownCounts
from pathoai_annotations.package.study_terms import StudyTerms
from pathoai_annotations.package.tier import Tier

_VERSION = re.compile(r"\d+\.\d+\.\d+([-+.][0-9A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """Everything that people and catalogues ask of a package.

    Args:
        package_id: The same for all versions of the package of one study.
        title: One line.
        version: Of the data, e.g. ``1.0.0``.
        licence: Of the data.
        release: How far it may travel, who exported it, when objections were applied.
        terms: What the study says for catalogues.
        ontology: The classes.
        slides: Sorted by code.
        images: Of the slides, likewise.
        counts: Of the annotations, as they may be shown.
        demonstration: Annotations that the demonstration validated: none, some or all.
        started: Time of the first edit, ISO 8601, UTC.
        ended: Time of the last.
        changes: Against the version before.
        audits: Keys of the markers whose labels were audited.
        models: Model that proposed something → slides that it did so on, sorted.
    """

    package_id: uuid.UUID
    title: str
    version: str
    licence: Licence
    release: Release
    terms: StudyTerms
    ontology: Ontology
    slides: tuple[PackagedSlide, ...]
    images: tuple[PackagedImage, ...]
    counts: PackageCounts
    demonstration: Literal["none", "some", "all"]
    started: str
    ended: str
    changes: Changes
    audits: tuple[str, ...] = ()
    models: Mapping[PackagedModel, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def tier(self) -> Tier:
        """How far it may travel."""
        return self.release.tier

    @property
    def day(self) -> date:
        """The day that the package bears: of the last edit, or of the list of objections.

        The earliest possible one, so that the same study gives the same package on any day.
        """
        last_edit = datetime.fromisoformat(self.ended).date()
        return max(self.release.opposition_date, last_edit)

    @property
    def slides_by_stain(self) -> ShownCounts:
        """Numbers of slides, as they may be shown."""
        return stain_counts((slide.stain for slide in self.slides), self.tier)

    @property
    def cases(self) -> str:
        """The number of patients, as it may be shown; slides of unknown patients are of none."""
        return case_count(len({s.case_id for s in self.slides if s.case_id}), self.tier)

    @property
    def image_hashes(self) -> dict[str, str]:
        """SHA-256 of each image file in the package, by its name in the payload."""
        return {image.path: image.sha256 for image in self.images if image.path}

    @property
    def warning(self) -> str:
        """A plain sentence where the demonstration validated annotations; empty otherwise."""
        if self.demonstration == "none":
            return ""
        which = "All" if self.demonstration == "all" else "Some"
        return (
            f"{which} annotations were validated by the demonstration and by no "
            "pathologist: they show how pathoai works and must not be used as ground truth."
        )

    @property
    def image_statement(self) -> str:
        """Where the slides' images are, in a sentence or two."""
        if self.release.holds_images:
            return (
                "Images are copies from which everything was left behind that tells whose slide it "
                "is; the pixels of every level are those of the slide, without its label and macro."
            )
        if self.tier.is_published:
            return "The slides' images are not in this package; ask whoever passed it on for them."
        return "The slides' images stay in the institution; tables/images.csv has their hashes."

    @property
    def _where_images_are(self) -> str:
        if self.release.holds_images:
            return "images are de-identified copies"
        return (
            "images are named by code and hash only" if self.images else "images are not included"
        )

    @property
    def description(self) -> str:
        """What the package holds, in a few sentences."""
        sentences = (
            f"{self.counts.total} validated annotations on {self.slides_by_stain.total} coded "
            f"whole-slide images of {self.cases} patients, with the classes of ontology "
            f"{self.ontology.key} {self.ontology.version} ({self.ontology.title}).",
            f"Outlines are GeoJSON in pixels of level 0; {self._where_images_are}.",
            f"The list of patients who objected was applied on {self.release.opposition_date}.",
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
