"""A portal: studies and their sheets as files that any web server can show, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError
from pathoai.study.study import Study
from pathoai.transparency.page import page
from pathoai.transparency.public_sheet import PublicSheet
from pathoai.transparency.sheet_page import portal_page_name, write_sheet_files
from pathoai.transparency.words import LANGUAGES, WORDS, Language

_FOLDER = "studies"
_COLUMNS = ("title", "specialty", "study_type", "year")
# Without scripts the list stays as it is: by title. Buttons in the headings, because a heading
# alone cannot be reached by keyboard.
_SORT = """
"use strict";
const table = document.querySelector("table");
const rows = table.tBodies[0];
const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
table.querySelectorAll("thead th").forEach((heading, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = heading.textContent;
  heading.replaceChildren(button);
  button.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].textContent;
    const sorted = [...rows.rows].sort((a, b) => compare(key(a), key(b)));
    rows.append(...(down ? sorted.reverse() : sorted));
  });
});
"""


def write_portal(studies: Sequence[Study], out: Path) -> None:
    """Write a list of studies in each language, with the sheet of each.

    Args:
        studies: Their sheets must be complete.
        out: A folder, made where it is not there. Sheets of other studies in it stay on the disk,
            but are no longer listed.

    Raises:
        InvalidValueError: A study is given twice.
        OSError: The disk is full.
        StudyError: A study does not state all that the public is owed; nothing is written.
    """
    sheets = [PublicSheet.of(study) for study in studies]
    for one in sheets:
        one.require_complete()
    names = [one.sheet.uuid for one in sheets]
    if len(set(names)) < len(names):
        raise InvalidValueError("a study is given twice", remedy="name each study once")
    for one in sheets:
        write_sheet_files(one, out / _FOLDER, one.sheet.uuid, portal=True)
    for language in LANGUAGES:
        write_text_atomically(out / portal_page_name(language), _page(sheets, language))
    content = json.dumps([one.to_dict() for one in sheets], indent=1, ensure_ascii=False)
    write_text_atomically(out / "studies.json", content + "\n")


def _page(sheets: Sequence[PublicSheet], language: Language) -> str:
    words = WORDS[language]
    ordered = sorted(sheets, key=lambda s: (s.text("title", language).casefold(), s.sheet.uuid))
    head = "".join(f'<th scope="col">{escape(words[column])}</th>' for column in _COLUMNS)
    rows = "\n".join(_row(one, language) for one in ordered)
    body = (
        f"<p>{escape(words['portal_why'])}</p>\n"
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )
    (second,) = (one for one in LANGUAGES if one != language)
    return page(
        language,
        words["portal"],
        body,
        other=portal_page_name(second),
        links=f' · <a href="studies.json">{escape(words["machine"])}</a>',
        script=_SORT,
    )


def _row(public: PublicSheet, language: Language) -> str:
    title, *others = (public.text(column, language) for column in _COLUMNS)
    link = f"{_FOLDER}/{public.sheet.uuid}.{language}.html"
    cells = "".join(f"<td>{escape(text)}</td>" for text in others)
    return f'<tr><th scope="row"><a href="{link}">{escape(title)}</a></th>{cells}</tr>'
