"""How often a marker's labels are right, as pathologists see it in a random sample of tiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathoai.errors import InvalidValueError
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.metrics.exact_interval import Share
from pathoai.metrics.stratified_share import SampledStratum, StratifiedShare

if TYPE_CHECKING:  # it reads labels, which who verifies a package has not
    from pathoai.ihc.audit_sample import AuditSample

_DECIMALS = 6
AREA_DECIMALS = 6
"""Of mm²: what follows from a written file is then the same as what was written."""
PRECISION_MEANS = (
    "share of the trusted positive area that lies in tiles whose label a pathologist accepts"
)
INTERVAL_MEANS = "95 %, Clopper-Pearson, on the tiles that were decided"
IN_ALL_MEANS = (
    "strata weighed by area; limits are those of the strata, exact at a level that leaves 95 % to "
    "all of them together"
)


@dataclass(frozen=True, slots=True)
class StratumVerdicts:
    """What was said of the tiles of one stratum.

    Args:
        area_mm2: Trusted area that the tiles were drawn of.
        tiles: How many were drawn.
        accepted: Of these, tiles whose label is right.
        rejected: Tiles whose label is wrong, or was corrected.
        unsure: Tiles that nobody could decide.

    Raises:
        InvalidValueError: More was said than was drawn, or a number is negative.
    """

    area_mm2: float
    tiles: int
    accepted: int = 0
    rejected: int = 0
    unsure: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot have been counted."""
        counts = (self.accepted, self.rejected, self.unsure)
        if min(*counts, self.unread) < 0 or not self.area_mm2 >= 0:
            raise InvalidValueError(
                "verdicts on the tiles of an audit",
                found=f"{counts} of {self.tiles} tiles of {self.area_mm2:g} mm²",
                allowed="0 or more each, and no more than there are tiles",
            )

    @property
    def unread(self) -> int:
        """Tiles that nobody looked at."""
        return self.tiles - self.accepted - self.rejected - self.unsure

    @property
    def share(self) -> Share:
        """Accepted tiles of those decided."""
        return Share(self.accepted, self.accepted + self.rejected)

    @property
    def share_if_unsure_is_wrong(self) -> Share:
        """The same, if every tile that nobody could decide counts as wrong."""
        return Share(self.accepted, self.accepted + self.rejected + self.unsure)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "area_mm2": self.area_mm2,
            "tiles": self.tiles,
            "mm2_per_tile": round(self.area_mm2 / self.tiles, 9) if self.tiles else None,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "unsure": self.unsure,
            "unread": self.unread,
        }


@dataclass(frozen=True)
class LabelPrecision:
    """The audit of one marker's labels.

    Args:
        marker: Key of the marker.
        labels: Identity of the label of each slide, by the slide's code.
        strata: What was said.
        readers: Codes of who said it, sorted.
        last_reading: When the last of them did, ISO 8601, UTC; empty where nobody did.
    """

    marker: str
    labels: Mapping[str, str]
    strata: Mapping[AuditStratum, StratumVerdicts]
    readers: Sequence[str] = ()
    last_reading: str = ""

    @property
    def precision(self) -> Share:
        """Of what is labelled positive, the share that is right."""
        return self.strata[AuditStratum.POSITIVE].share

    @property
    def of_negatives(self) -> Share:
        """Of what is labelled negative, the share that is right."""
        return self.strata[AuditStratum.NEGATIVE].share

    @property
    def in_all(self) -> StratifiedShare:
        """Of all that is labelled, the share that is right."""
        strata = (self.strata[stratum] for stratum in AuditStratum)
        return StratifiedShare(tuple(SampledStratum(s.area_mm2, s.share) for s in strata))

    @property
    def read(self) -> int:
        """How many tiles somebody looked at."""
        return sum(verdicts.tiles - verdicts.unread for verdicts in self.strata.values())

    @property
    def tiles(self) -> int:
        """How many there are."""
        return sum(verdicts.tiles for verdicts in self.strata.values())

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: what was counted, and what follows from it."""
        strict = self.strata[AuditStratum.POSITIVE].share_if_unsure_is_wrong
        return {
            "marker": self.marker,
            "labels": dict(sorted(self.labels.items())),
            "readers": list(self.readers),
            "last_reading": self.last_reading,
            "complete": self.read == self.tiles,
            "strata": {s.value: self.strata[s].to_dict() for s in AuditStratum},
            "precision": share_dict(self.precision),
            "precision_if_unsure_is_wrong": share_dict(strict),
            "right_where_negative": share_dict(self.of_negatives),
            "right_in_all": share_dict(self.in_all),
            "precision_means": PRECISION_MEANS,
            "interval_means": INTERVAL_MEANS,
            "in_all_means": IN_ALL_MEANS,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> LabelPrecision:
        """As it is written in a file; what follows from the counts is computed anew.

        Raises:
            InvalidValueError: A field is missing or malformed, or a number does not follow.
        """
        try:
            names = ("area_mm2", "tiles", "accepted", "rejected", "unsure")
            strata = {
                s: StratumVerdicts(*(raw["strata"][s.value][name] for name in names))
                for s in AuditStratum
            }
            found = cls(
                str(raw["marker"]),
                {str(slide_id): str(sha) for slide_id, sha in raw["labels"].items()},
                strata,
                tuple(str(reader) for reader in raw["readers"]),
                str(raw["last_reading"]),
            )
            follows = found.to_dict() == raw
        except (AttributeError, ArithmeticError, LookupError, TypeError) as error:
            raise InvalidValueError(
                "malformed precision of labels", found=f"{type(error).__name__}: {error}"
            ) from error
        if not follows:
            raise InvalidValueError(
                "the precision of labels does not follow from its counts", found=found.marker
            )
        return found


def without_readings(sample: AuditSample) -> LabelPrecision:
    """What is known of a sample that nobody has looked at."""
    strata = {
        s: StratumVerdicts(round(sample.areas_mm2[s], AREA_DECIMALS), sample.drawn(s))
        for s in AuditStratum
    }
    return LabelPrecision(sample.marker, sample.labels, strata)


def of_all_markers(found: Sequence[LabelPrecision]) -> StratifiedShare:
    """The precision of the labels of several markers together, weighed by positive area."""
    positive = (one.strata[AuditStratum.POSITIVE] for one in found)
    return StratifiedShare(tuple(SampledStratum(s.area_mm2, s.share) for s in positive))


def share_dict(share: Share | StratifiedShare) -> dict[str, float | None]:
    """Estimate and limits, ready for JSON; None where there is no estimate."""
    value = share.value
    estimate = None if math.isnan(value) else round(value, _DECIMALS)
    low, high = round(share.low, _DECIMALS), round(share.high, _DECIMALS)
    return {"estimate": estimate, "low": low, "high": high}
