"""What verification finds."""

from __future__ import annotations

from dataclasses import dataclass

REBUILD = "build the package again from its study, or ask its sender for a sound copy"
"""What helps against any damage."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a package.

    Args:
        what: What is wrong; it never repeats what should not be there.
        where: File, relative to the bag, and line where that is known.
        remedy: What to do.
    """

    what: str
    where: str
    remedy: str = REBUILD

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {self.what}. Remedy: {self.remedy}"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The outcome of a verification.

    Args:
        findings: Everything wrong, in the order of the checks.
        files: Files of the payload.
        slides: Slides with annotations.
        annotations: Annotations that could be read.
        notes: What could not be checked here, and why.
    """

    findings: tuple[Finding, ...]
    files: int
    slides: int
    annotations: int
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.findings
