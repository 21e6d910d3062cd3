"""Where a study's journal lies, if not in the study: a PostgreSQL database, by URL."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from pathoai.errors import StudyError

_SCHEMES = ("postgresql", "postgresql+psycopg")
_FORM = "postgresql+psycopg://host/database"
_SECRETS = ("password", "sslpassword", "passfile")


def check_journal_url(url: str) -> None:
    """Refuse what is no URL of PostgreSQL, and secrets: a study is shared.

    Args:
        url: Of a database; a schema of it by ``?options=-csearch_path%3Dname``.

    Raises:
        StudyError: It cannot serve; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        secrets = parts.password is not None or set(parse_qs(parts.query)) & set(_SECRETS)
    except ValueError as error:
        raise StudyError("malformed URL of the journal", allowed=_FORM) from error
    if parts.scheme not in _SCHEMES:
        raise StudyError(
            "the journal lies in the study, as a SQLite file, or in PostgreSQL",
            where="journal",
            found=f"a URL of {parts.scheme or 'no scheme'}",
            allowed=f"nothing, or {_FORM}",
        )
    if secrets:
        raise StudyError(
            "the journal's URL holds a password, and a study is shared",
            where="journal",
            allowed=_FORM,
            remedy="take it out of study.toml, change it, and keep the new one in ~/.pgpass or in "
            "PGPASSWORD",
        )
    if not parts.path.strip("/"):
        raise StudyError("the journal's URL names no database", where="journal", allowed=_FORM)
