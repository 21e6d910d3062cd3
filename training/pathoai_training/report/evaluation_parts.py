"""What the page of an evaluation holds besides its sections: the worst cases, and checklists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from pathoai.report.page import Part, image_data
from pathoai_training.report.checklists import FOR_A_PERSON, ChecklistEntry
from pathoai_training.report.context import CaseRegion


def evaluation_parts(
    cases: Sequence[CaseRegion], checklists: Sequence[ChecklistEntry]
) -> Iterator[Part]:
    """The gallery and the reporting guidelines, where there are any.

    Args:
        cases: The gallery.
        checklists: The fields of the reporting guidelines.
    """
    if cases:
        yield Part("worst_cases", "Worst cases", _gallery(cases))
    if checklists:
        yield Part("checklists", "Reporting guidelines", _checklists(checklists))


def _gallery(cases: Sequence[CaseRegion]) -> str:
    items = []
    for case in cases:
        r = case.region
        place = f"x {r.x:,.0f}, y {r.y:,.0f}, {r.width:,.0f} × {r.height:,.0f} px of level 0"
        items.append(
            f'<figure><img alt="{escape(case.title)}" src="{image_data(case.thumbnail)}">'
            f"<figcaption>{escape(case.title)}<br>Slide {escape(case.slide_id)}, {place}<br>"
            f"<code>{escape(review_command(case))}</code></figcaption></figure>"
        )
    text = "<p>In the folder of the study, the command below a picture opens that place.</p>"
    return f'{text}\n<div class="gallery">\n' + "\n".join(items) + "\n</div>"


def review_command(case: CaseRegion) -> str:
    """The command that shows a case, in the folder of its study."""
    r = case.region
    x, y = r.x + r.width / 2, r.y + r.height / 2
    return f"pathoai review . --slide {case.slide_id} --at {x:.0f},{y:.0f}"


def _answer(entry: ChecklistEntry) -> str:
    if entry.answer:
        return f"<td>{escape(entry.answer)}</td>"
    return f'<td class="person">{FOR_A_PERSON}</td>'


def _checklists(entries: Sequence[ChecklistEntry]) -> str:
    parts = [
        "<p>In our words, by the chapters of each guideline: what is known is filled in, the rest "
        "is for a person. This does not replace the guideline's own form.</p>"
    ]
    for checklist, found in groupby(entries, lambda entry: entry.checklist):
        rows = "\n".join(
            f'<tr><th scope="row">{escape(e.chapter)}</th><td>{escape(e.asks)}</td>'
            f"{_answer(e)}</tr>"
            for e in found
        )
        parts.append(
            f'<div class="scroll"><table>\n<caption>{escape(checklist)}</caption>\n'
            '<thead><tr><th scope="col">chapter</th><th scope="col">asks</th>'
            f'<th scope="col">answer</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'
        )
    return "\n".join(parts)
