"""The sheet of one study as a page, and the files of a sheet."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.study.study import Study
from pathoai.transparency.page import page
from pathoai.transparency.public_sheet import PublicSheet
from pathoai.transparency.study_facts import StudyFacts
from pathoai.transparency.words import LANGUAGES, WORDS, Language

_SECTIONS = {
    "study": ("purpose", "specialty", "study_type", "year", "responsible", "legal_basis"),
    "people": ("categories", "recipients", "retention_until", "rights", "dpo_contact"),
}


def write_study_sheet(study: Study, out: Path) -> tuple[Path, ...]:
    """Write the sheet of a study: a page in each language, and the same as JSON.

    Args:
        study: Its sheet must be complete.
        out: A folder, made where it is not there; earlier sheets in it are replaced.

    Returns:
        The files.

    Raises:
        OSError: The disk is full.
        StudyError: The study does not state all that the public is owed.
    """
    public = PublicSheet.of(study)
    public.require_complete()
    return write_sheet_files(public, out, "sheet")


def write_sheet_files(
    public: PublicSheet, out: Path, name: str, *, portal: bool = False
) -> tuple[Path, ...]:
    """Write ``NAME.fr.html``, ``NAME.en.html`` and ``NAME.json``.

    Args:
        public: What they say.
        out: The folder.
        name: Without ending.
        portal: Whether the pages lead back to a portal in the folder above.
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.{lang}.html": _page(public, lang, name, portal) for lang in LANGUAGES}
    texts[f"{name}.json"] = json.dumps(public.to_dict(), indent=1, ensure_ascii=False) + "\n"
    for file, text in texts.items():
        write_text_atomically(out / file, text)
    return tuple(out / file for file in texts)


def portal_page_name(language: Language) -> str:
    """The file of a portal's list in a language."""
    return "index.html" if language == "fr" else f"index.{language}.html"


def _page(public: PublicSheet, language: Language, name: str, portal: bool) -> str:
    words = WORDS[language]
    sections = [
        _section(words[key], [(words[field], public.text(field, language)) for field in fields])
        for key, fields in _SECTIONS.items()
    ]
    body = "\n".join(
        [
            f"<p>{escape(words['sheet'])}. {escape(words['why'])}</p>",
            *sections,
            _section(words["done"], _facts(public.facts, language)),
            f"<p>{escape(words['masked'])}</p>",
        ]
    )
    back = f' · <a href="../{portal_page_name(language)}">{escape(words["back"])}</a>'
    json_link = f' · <a href="{name}.json">{escape(words["machine"])}</a>'
    return page(
        language,
        public.text("title", language),
        body,
        other=f"{name}.{'en' if language == 'fr' else 'fr'}.html",
        links=(back if portal else "") + json_link,
    )


def _facts(facts: StudyFacts, language: Language) -> list[tuple[str, str]]:
    words = WORDS[language]
    packages = [words["package"].format(**asdict(one)) for one in facts.packages]
    return [
        (words["slides"], facts.slides),
        (words["patients"], facts.patients),
        (words["models"], ", ".join(facts.models) or words["none"]),
        (words["packages"], "; ".join(packages) or words["none"]),
        (words["opposition_applied"], facts.opposition_applied or words["never"]),
    ]


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    items = "\n".join(f"<dt>{escape(name)}</dt>\n<dd>{escape(text)}</dd>" for name, text in rows)
    return f"<section>\n<h2>{escape(title)}</h2>\n<dl>\n{items}\n</dl>\n</section>"
