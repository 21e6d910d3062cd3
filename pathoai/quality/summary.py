"""What a person wants to know of a slide before using it, in numbers and in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pathoai.ontology import LabelClass
from pathoai.quality.artefacts import (
    AIR_BUBBLE,
    ARTEFACTS,
    BLOOD,
    BLUR,
    FOLD,
    GLASS_EDGE,
    PEN,
)
from pathoai.quality.quality_map import QualityMap
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.pieces import Pieces

# Above these shares of the tissue an artefact is worth a sentence; below, every slide has some.
_NOTEWORTHY = {PEN: 0.02, FOLD: 0.05, BLUR: 0.05, AIR_BUBBLE: 0.02, BLOOD: 0.10, GLASS_EDGE: 0.02}
_LITTLE_TISSUE_MM2 = 0.5
_MOSTLY = 0.5
_SHOWN_SHARE = 0.001
_ADVICE = {
    PEN: "under pen ink: tiles there show ink, not stain",
    FOLD: "in folds: nuclei lie over each other there",
    BLUR: "out of focus: scan the slide again if it matters",
    AIR_BUBBLE: "under air bubbles: mount and scan the slide again if it matters",
    BLOOD: "pooled blood: not the specimen itself",
    GLASS_EDGE: "under the edge of the glass",
}


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """One slide's quality.

    Args:
        slide_id: Coded id.
        tissue_mm2: Area of the tissue.
        fragments: Number of pieces of tissue.
        mpp: Scale of the store, µm per pixel.
        shares: Artefact → share of the tissue, 0 to 1; None where the store is too coarse.
    """

    slide_id: str
    tissue_mm2: float
    fragments: int
    mpp: float
    shares: Mapping[LabelClass, float | None]

    @classmethod
    def of(cls, store: SlideStore, quality: QualityMap) -> QualitySummary:
        """The summary of a slide and its map."""
        tissue = store.tissue
        shares = {
            artefact: None if artefact in quality.not_assessed else quality.share(artefact)
            for artefact in ARTEFACTS
        }
        fragments = Pieces(tissue.mask, corners=True).count
        return cls(store.slide_id, tissue.area_mm2, fragments, store.mpp, shares)

    @property
    def clean_share(self) -> float:
        """Share of the tissue without any artefact that was found."""
        return max(0.0, 1.0 - sum(share or 0.0 for share in self.shares.values()))

    @property
    def warnings(self) -> list[str]:
        """What to know before using the slide, a sentence each; none for a good slide."""
        found = []
        if self.tissue_mm2 < _LITTLE_TISSUE_MM2:
            found.append(f"Only {self.tissue_mm2:.2f} mm² of tissue.")
        if self.clean_share < _MOSTLY:
            found.append(f"Only {self.clean_share:.0%} of the tissue is free of artefacts.")
        for artefact, share in self.shares.items():
            if share is None:
                found.append(f"{artefact.name}: not judged, the store is too coarse for it.")
            elif share >= _NOTEWORTHY[artefact]:
                found.append(f"{_percent(share)} of the tissue {_ADVICE[artefact]}.")
        return found

    @property
    def line(self) -> str:
        """All of it in one line, without the slide's id."""
        parts = [
            f"{artefact.name.lower()} {_percent(share)}"
            for artefact, share in self.shares.items()
            if share is not None and share >= _SHOWN_SHARE
        ]
        return f"{self.tissue_mm2:.2f} mm² tissue, " + (", ".join(parts) or "no artefact found")


def summary_table(summaries: Iterable[QualitySummary]) -> str:
    """A table of slides as CSV text: areas in mm², shares of the tissue from 0 to 1."""
    names = ["slide_id", "tissue_mm2", "fragments", "mpp", *(a.key for a in ARTEFACTS), "clean"]
    lines = [",".join(names)]
    for summary in summaries:
        shares = (summary.shares[artefact] for artefact in ARTEFACTS)
        cells = [
            summary.slide_id,
            f"{summary.tissue_mm2:.4f}",
            str(summary.fragments),
            f"{summary.mpp:g}",
            *("" if share is None else f"{share:.4f}" for share in shares),
            f"{summary.clean_share:.4f}",
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
