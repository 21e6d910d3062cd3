"""From what readers said of an audit's tiles to the precision of the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from pathoai.ihc.audit_sample import AuditSample
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.precision import AREA_DECIMALS, LabelPrecision, StratumVerdicts
from pathoai_annotations.audit.audit_queue import audited_work
from pathoai_annotations.journal.queries import JournalQueries
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.review.region_queue import region_key

_Place = tuple[str, tuple[float, float, float, float]]


def judged_precision(journal: JournalQueries, sample: AuditSample) -> LabelPrecision:
    """The precision of a marker's labels by all that readers said of the sample.

    Where several read a tile, it is right if one accepted it and none rejected or corrected it; it
    is undecided only if all were unsure.

    Args:
        journal: Of the study.
        sample: The tiles; only readings of just these versions of the labels count.
    """
    tile_at: dict[_Place, AuditStratum] = {
        (tile.slide_id, region_key(tile.region)): tile.stratum for tile in sample.tiles
    }
    said: dict[_Place, set[Outcome]] = {}
    used = []
    for reading in _readings(journal, sample):
        place = (reading.slide_id, region_key(reading.region))
        if place in tile_at:
            said.setdefault(place, set()).add(reading.outcome)
            used.append(reading)
    verdicts = Counter((tile_at[place], _verdict(outcomes)) for place, outcomes in said.items())
    strata = {
        stratum: StratumVerdicts(
            round(sample.areas_mm2[stratum], AREA_DECIMALS),
            sample.drawn(stratum),
            *(
                verdicts[stratum, verdict]
                for verdict in (Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNSURE)
            ),
        )
        for stratum in AuditStratum
    }
    return LabelPrecision(
        sample.marker,
        sample.labels,
        strata,
        tuple(sorted({reading.author for reading in used})),
        max((reading.at for reading in used), default=""),
    )


def _readings(journal: JournalQueries, sample: AuditSample) -> list[RegionReading]:
    return [
        reading
        for slide_id, identity in sample.labels.items()
        for reading in journal.region_readings(slide_id)
        if reading.kind is RegionKind.AUDIT
        and reading.model == audited_work(sample.marker, identity)
    ]


def _verdict(outcomes: Collection[Outcome]) -> Outcome:
    if not {Outcome.REJECTED, Outcome.CORRECTED}.isdisjoint(outcomes):
        return Outcome.REJECTED
    return Outcome.ACCEPTED if Outcome.ACCEPTED in outcomes else Outcome.UNSURE
