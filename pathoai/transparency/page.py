"""The frame of a page in a language: it opens offline, and reads well aloud and on paper."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template

from pathoai.transparency.words import LANGUAGES, WORDS, Language

_PAGE = Template(
    """<!DOCTYPE html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'$scripts">
<title>$title</title>
<style>
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif;
  line-height: 1.45; color: #1a1a1a; background: #fff; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.2rem; border-bottom: 2px solid #0072b2; padding-bottom: 0.2rem; }
dt { font-weight: bold; margin-top: 0.8rem; }
dd { margin-left: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border: 1px solid #949494; padding: 0.4rem 0.6rem; text-align: left;
  vertical-align: top; }
thead th { background: #eef4f8; }
th button { font: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: left; text-decoration: underline; color: inherit; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
@media print { nav { display: none; } h2 { break-after: avoid; } }
</style>
</head>
<body>
<nav>$links</nav>
<main>
<h1>$title</h1>
$body
</main>
$script
</body>
</html>
"""
)


def page(
    language: Language, title: str, body: str, *, other: str, links: str = "", script: str = ""
) -> str:
    """A page, in HTML.

    Args:
        language: Of the page.
        title: Its heading.
        body: HTML.
        other: Name of the same page in the other language.
        links: HTML that follows the link to it.
        script: JavaScript; the page allows it by its hash, and nothing else.
    """
    (second,) = (one for one in LANGUAGES if one != language)
    link = f'<a href="{escape(other)}" lang="{second}" hreflang="{second}">'
    return _PAGE.substitute(
        language=language,
        title=escape(title),
        links=f"{link}{WORDS[second]['this_language']}</a>{links}",
        body=body,
        scripts=f"; script-src '{_source_hash(script)}'" if script else "",
        script=f"<script>{script}</script>" if script else "",
    )


def _source_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
