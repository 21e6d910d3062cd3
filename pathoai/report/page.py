"""The report as one HTML file: it opens offline, without scripts, and reads well aloud."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from pathoai.report.section import Cell, Figure, Section, Table

_PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;\
 style-src 'unsafe-inline'">
<title>$title</title>
<style>
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif;
  line-height: 1.45; color: #1a1a1a; background: #fff; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.6rem; border-bottom: 2px solid #0072b2; padding-bottom: 0.2rem; }
nav ul { columns: 3 14rem; padding-left: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.93rem; }
caption { text-align: left; font-weight: bold; padding: 0.3rem 0; }
th, td { border: 1px solid #949494; padding: 0.3rem 0.6rem; text-align: left;
  vertical-align: top; }
thead th { background: #eef4f8; }
tbody th { font-weight: normal; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: 0.9rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: 1rem; }
.gallery img { width: 100%; image-rendering: auto; }
.warning { border-left: 6px solid #d55e00; padding: 0.4rem 0.9rem; background: #fdf3ec; }
.person { background: #fff6d6; font-style: italic; }
code { font-size: 0.85rem; overflow-wrap: anywhere; }
@media print { nav { display: none; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="warning">Research only. Not a medical device. The decision stays with the doctor.</p>
<nav aria-label="Sections"><ul>
$links
</ul></nav>
$sections
</main>
</body>
</html>
"""
)


@dataclass(frozen=True, slots=True)
class Part:
    """What a page holds besides its sections.

    Args:
        key: Its name in links.
        title: Its heading.
        body: HTML.
    """

    key: str
    title: str
    body: str


def report_page(title: str, sections: Sequence[Section], *, parts: Sequence[Part] = ()) -> str:
    """The page, in HTML.

    Args:
        title: Its heading.
        sections: In their order.
        parts: What follows them.
    """
    shown = [*(Part(s.key, s.title, _section(s)) for s in sections), *parts]
    return _PAGE.substitute(
        title=escape(title),
        links="\n".join(f'<li><a href="#{p.key}">{escape(p.title)}</a></li>' for p in shown),
        sections="\n".join(
            f'<section aria-labelledby="{p.key}">\n<h2 id="{p.key}">{escape(p.title)}</h2>\n'
            f"{p.body}\n</section>"
            for p in shown
        ),
    )


def _section(section: Section) -> str:
    text = [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
    return "\n".join(
        [*text, *(_table(t) for t in section.tables), *(_figure(f) for f in section.figures)]
    )


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in table.columns
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>{"".join(map(_cell, row[1:]))}</tr>'
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table>\n<caption>{escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    text = f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f'<td class="number">{escape(text)}</td>'


def _figure(figure: Figure) -> str:
    return (
        f'<figure><img alt="{escape(figure.alt)}" src="{image_data(figure.image)}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def image_data(image: bytes) -> str:
    """A PNG, JPEG or SVG file as the address of a picture."""
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg"}
    kind = next((k for start, k in kinds.items() if image.startswith(start)), "image/svg+xml")
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"
