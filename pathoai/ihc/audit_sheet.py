"""The tiles of an audit on one page, for who judges them: English first, French beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape

import torch

from pathoai.ihc.audit_picture import (
    CONTEXT,
    PANEL_PX,
    AuditedSlide,
    scale_bar_um,
    tile_pictures,
)
from pathoai.ihc.audit_sample import AuditSample, AuditTile
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.trust import TRUST_CLASSES, Trust
from pathoai.ontology import LabelClass
from pathoai.progress import Advance, silent
from pathoai.report.page import Part, image_data, report_page
from pathoai.report.section import Section, Table

_SHOWN_PX = 224
# Of an ontology's colours some are grey, as is what they would be laid over here.
_COLOURS = ("#d55e00", "#0072b2")
_COLUMNS = (
    "H&E / HES",
    "Restained, brought over it / Recolorée, recalée",
    "Label / Étiquette",
    "Trust / Confiance",
)
_STRATA = {
    AuditStratum.POSITIVE: "labelled positive in the middle / étiquetée positive au centre",
    AuditStratum.NEGATIVE: "labelled negative in the middle / étiquetée négative au centre",
}
_HOW = (
    "Each row is a tile drawn at random (white frame). Accept it if the label is right within the "
    "frame: what is coloured is positive for the marker, and nothing else is. A border that is off "
    "by less than the width of a nucleus does not count; darkened places are not labelled. Reject "
    "it otherwise. Say unsure if nobody could tell.",
    "Chaque ligne est une tuile tirée au sort (cadre blanc). Acceptez-la si l'étiquette est juste "
    "dans le cadre : ce qui est coloré est positif pour le marqueur, et rien d'autre ne l'est. Un "
    "contour décalé de moins d'un noyau ne compte pas ; les zones assombries ne sont pas "
    "étiquetées. Sinon, rejetez-la. Dites « incertain » si personne ne peut trancher.",
)


def audit_sheet(
    sample: AuditSample,
    slides: Mapping[str, AuditedSlide],
    classes: tuple[LabelClass, ...],
    *,
    review: str,
    device: torch.device,
    advance: Advance = silent,
) -> str:
    """The page, in HTML that needs nothing else.

    Args:
        sample: The tiles.
        slides: All slides of the sample, by their codes.
        classes: Of the labels.
        review: The command that opens the tiles for judging.
        device: Where restained slides are resampled.
        advance: Told of tiles done and tiles in all.

    Raises:
        StoreError: A chunk of a slide or of a label is damaged.
    """
    classes = tuple(replace(one, colour=_COLOURS[at]) for at, one in enumerate(classes))
    rows = []
    for number, tile in enumerate(sample.tiles, start=1):
        rows.append(_row(number, tile, slides[tile.slide_id], classes, device))
        advance(number, len(sample.tiles))
    mpp = CONTEXT * sample.settings.tile_um / PANEL_PX
    body = (
        f'{_legend(classes)}\n<div class="scroll"><table>\n<caption>Scale bar / échelle : '
        f"{scale_bar_um(mpp):g} µm</caption>\n<thead><tr>"
        + "".join(f'<th scope="col">{escape(name)}</th>' for name in _COLUMNS)
        + "</tr></thead>\n"
        + "\n".join(rows)
        + "\n</table></div>"
    )
    title = f"Audit of the labels of {sample.marker} / Contrôle des étiquettes {sample.marker}"
    return report_page(
        title, [_words(sample, review)], parts=(Part("tiles", "Tiles / Tuiles", body),)
    )


def _words(sample: AuditSample, review: str) -> Section:
    strata = tuple(
        (
            _STRATA[stratum],
            sample.drawn(stratum),
            f"{sample.areas_mm2[stratum]:.4f}",
            f"{sample.mm2_per_tile(stratum):.6f}" if sample.drawn(stratum) else "–",
        )
        for stratum in AuditStratum
    )
    drawn = Table(
        f"What was drawn, seed {sample.settings.seed} / Tirage",
        ("stratum / strate", "tiles / tuiles", "trusted area, mm² / surface", "mm² per tile"),
        strata,
    )
    judge = f"Judge the tiles by key with / Jugez les tuiles au clavier avec : {review}"
    keys = "Y accept / accepter · X reject / rejeter · U unsure / incertain · N next / suivante"
    return Section("how", "How to judge / Comment juger", (*_HOW, judge, keys), (drawn,))


def _row(
    number: int,
    tile: AuditTile,
    slide: AuditedSlide,
    classes: tuple[LabelClass, ...],
    device: torch.device,
) -> str:
    region = tile.region
    place = f"x {region.x:.0f}, y {region.y:.0f}"
    head = f"{number} · {tile.slide_id} · {place} · {_STRATA[tile.stratum]}"
    cells = "".join(
        f'<td><img alt="{escape(name)}, tile {number}" width="{_SHOWN_PX}" height="{_SHOWN_PX}" '
        f'src="{image_data(picture)}"></td>'
        for name, picture in zip(
            _COLUMNS, tile_pictures(slide, region, classes, device), strict=True
        )
    )
    return (
        f'<tbody><tr><th scope="rowgroup" colspan="{len(_COLUMNS)}">{escape(head)}</th></tr>'
        f"<tr>{cells}</tr></tbody>"
    )


def _legend(classes: tuple[LabelClass, ...]) -> str:
    """What the colours of the last two columns mean."""
    reasons = [one for one in TRUST_CLASSES if one.index != Trust.TRUSTED]
    return "\n".join(
        f"<p><strong>{escape(name)}</strong>: "
        + " ".join(
            f'<span style="white-space: nowrap"><span aria-hidden="true" style="background: '
            f'{one.colour}; border: 1px solid #555; padding: 0 0.6em; margin-right: 0.3em"></span>'
            f"{escape(one.name)} / {escape(one.name_fr)}</span>"
            for one in shown
        )
        + "</p>"
        for name, shown in ((_COLUMNS[2], classes), (_COLUMNS[3], reasons))
    )
