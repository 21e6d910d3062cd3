"""What a version adds, changes and removes against the one before, and why: ``CHANGELOG.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pathoai.errors import PackageError
from pathoai.study.package_ledger import PackageRecord, is_tombstone, read_packages
from pathoai.study.study import Study
from pathoai_annotations.package.tier import Tier

_LONGEST_REASON = 500
_FIRST = "first version"


@dataclass(frozen=True, slots=True)
class Changes:
    """Between two versions of a package of one tier.

    Args:
        version: Of this package.
        before: The version before; empty for the first.
        why: What its maker says of the reason.
        added: Slides that only this one has.
        changed: Slides whose annotations changed.
        removed: Slides that only the one before has, still in the study.
        erased: Hashes of the codes of slides that were erased after an opposition or a demand.
        history: Version, day and reason of each earlier one, the newest first.
    """

    version: str
    before: str
    why: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    erased: tuple[str, ...]
    history: tuple[tuple[str, str, str], ...]

    def text(self) -> str:
        """As it stands in the package, in Markdown."""
        since = f"against {self.before}" if self.before else "nothing came before"
        lines = ["# Changes", "", f"## {self.version} ({since})", "", self.why, ""]
        for title, slides in (
            ("Added", self.added),
            ("Changed", self.changed),
            ("Removed", self.removed),
        ):
            lines += _list(f"{title}: annotations of slides", slides)
        lines += _list("Erased after opposition or on demand: SHA-256 of the code", self.erased)
        for version, day, why in self.history:
            lines += [f"## {version} ({day})", "", why, ""]
        return "\n".join(lines)


def _list(title: str, items: tuple[str, ...]) -> list[str]:
    return [f"### {title}", "", *(f"- {item}" for item in items), ""] if items else []


def changes_since(
    study: Study, version: str, tier: Tier, slides: Mapping[str, str], why: str | None
) -> Changes:
    """Compare with the newest version before this one, of the same tier.

    Args:
        study: Its records say what was packaged before.
        version: Of this package.
        tier: Of it.
        slides: Slide → SHA-256 of its annotations.
        why: The reason; where None that of the same version when it was made before.

    Raises:
        PackageError: The reason is no line of text.
        StudyError: A record is malformed.
    """
    records = [r for r in read_packages(study) if r.tier == tier.value]
    same = next((r for r in records if r.version == version), None)
    this = PackageRecord(version, tier.value, "", "", slides)
    earlier = [r for r in records if r.order < this.order]
    last = earlier[-1].slides if earlier else {}
    reason = check_reason(why or (same.why if same else "") or _default(earlier))
    gone = sorted(set(last) - set(slides))
    return Changes(
        version,
        earlier[-1].version if earlier else "",
        reason,
        tuple(sorted(set(slides) - set(last))) if earlier else (),
        tuple(s for s in sorted(set(slides) & set(last)) if slides[s] != last[s]),
        tuple(s for s in gone if not is_tombstone(s)),
        tuple(s for s in gone if is_tombstone(s)),
        tuple((r.version, r.day, r.why or _FIRST) for r in reversed(earlier)),
    )


def _default(earlier: list[PackageRecord]) -> str:
    return "No reason was stated." if earlier else _FIRST.capitalize() + "."


def check_reason(why: str) -> str:
    """The reason, if it is a line of text.

    Raises:
        PackageError: It is not.
    """
    if not why.isprintable() or len(why) > _LONGEST_REASON:
        raise PackageError(
            "the reason for a version is no line of text",
            where="--why",
            found=f"{len(why)} characters",
            allowed=f"one line of up to {_LONGEST_REASON} characters",
            remedy="say it in one line",
        )
    return why
