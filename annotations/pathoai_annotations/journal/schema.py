"""The journal's tables, and the triggers that make its log append-only."""

from __future__ import annotations

import sqlalchemy as sa

REVISION = "0003"
"""Of the schema below: the newest file of ``migrations/versions``."""

DELETED = "deleted"
"""In ``current_annotations``: the last edit took the annotation away."""

metadata = sa.MetaData()
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _partial_index(name: str, *columns: str, only: str) -> sa.Index:
    """An index on some rows: of an import none, so that entering one costs nothing more."""
    rows = sa.text(only)
    return sa.Index(name, *columns, sqlite_where=rows, postgresql_where=rows)


# Holding the whole state, not the difference, makes any past state one query and leaves nothing to
# replay wrongly.
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.String(36), nullable=False, unique=True),
    # ISO 8601, UTC, milliseconds: when it was entered here, and when it was made.
    sa.Column("at", sa.String, nullable=False),
    sa.Column("made_at", sa.String, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("tool", sa.String, nullable=False),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("slide_id", sa.String, nullable=False),
    sa.Column("annotation_id", sa.String(36)),
    sa.Column("stands", sa.Boolean, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("comment", sa.String),
    sa.Column("grade", sa.String),
    sa.Column("with_model", sa.Boolean),
    # What its author did in one go, and which action this one takes back: see undo.py.
    sa.Column("action", sa.String(36)),
    sa.Column("undoes", sa.String(36)),
    sa.Column("redoes", sa.String(36)),
    # A region that was read, level-0 pixels. Not as edges: a width would not come back to the bit.
    sa.Column("region_x", sa.Float),
    sa.Column("region_y", sa.Float),
    sa.Column("region_width", sa.Float),
    sa.Column("region_height", sa.Float),
    sa.Column("outcome", sa.String),
    sa.Column("kind", sa.String),
    sa.Column("model", sa.String),
    # The annotation's state after the edit; the geometry is WKB in level-0 pixels,
    # the measurements are a JSON object.
    sa.Column("label", sa.String),
    sa.Column("geometry", sa.LargeBinary),
    sa.Column("min_x", sa.Float),
    sa.Column("min_y", sa.Float),
    sa.Column("max_x", sa.Float),
    sa.Column("max_y", sa.Float),
    sa.Column("origin", sa.String),
    sa.Column("status", sa.String),
    sa.Column("confidence", sa.Float),
    sa.Column("derived_from", sa.String),
    sa.Column("measurements", sa.String),
    sa.Index("events_by_annotation", "annotation_id", "seq"),
    sa.Index("events_by_slide", "slide_id", "seq"),
    sa.Index("events_by_time", "at", "seq"),
    _partial_index(
        "actions_by_author", "slide_id", "author", "seq", "action", only="action IS NOT NULL"
    ),
    _partial_index("remarks_by_author", "slide_id", "author", "seq", only="annotation_id IS NULL"),
)

# One row per annotation, made from the log and kept with it, so that a view on a slide of 100,000
# annotations is one look into an index.
current_annotations = sa.Table(
    "current_annotations",
    metadata,
    sa.Column("annotation_id", sa.String(36), primary_key=True),
    sa.Column("seq", _NUMBER, nullable=False, doc="of the edit after which it is as it is now"),
    sa.Column("first_seq", _NUMBER, nullable=False, doc="of the edit by which it came"),
    sa.Column("slide_id", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False, doc="of the annotation, or deleted"),
    sa.Column("min_x", sa.Float, nullable=False),
    sa.Column("min_y", sa.Float, nullable=False),
    sa.Column("max_x", sa.Float, nullable=False),
    sa.Column("max_y", sa.Float, nullable=False),
    sa.Column("cell", sa.Integer, nullable=False, doc="as in cells.py"),
    sa.Index("current_by_place", "slide_id", "cell", "status"),
    sa.Index("current_by_seq", "seq"),
)

_REFUSAL = "the journal is append-only"
# Without the last, INSERT OR REPLACE would overwrite a row without firing the others.
_SQLITE_TRIGGERS = tuple(
    f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for name, when in (
        ("no_update", "BEFORE UPDATE ON events"),
        ("no_delete", "BEFORE DELETE ON events"),
        (
            "no_replace",
            "BEFORE INSERT ON events WHEN NEW.seq <= (SELECT max(seq) FROM events)"
            " OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)",
        ),
    )
)
_POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION refuse_change_of_events() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'"
    " USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON events"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_events()",
    "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON events"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_events()",
)
for _dialect, _statements in (("sqlite", _SQLITE_TRIGGERS), ("postgresql", _POSTGRESQL_TRIGGERS)):
    for _statement in _statements:
        sa.event.listen(events, "after_create", sa.DDL(_statement).execute_if(dialect=_dialect))


def forbid_updates(connection: sa.Connection, *, forbidden: bool) -> None:
    """Lift the trigger that keeps rows of the log from being changed, or set it again.

    For a redaction alone, within its one transaction.
    """
    if connection.dialect.name == "sqlite":
        statement = _SQLITE_TRIGGERS[0] if forbidden else "DROP TRIGGER no_update"
    else:
        word = "ENABLE" if forbidden else "DISABLE"
        statement = f"ALTER TABLE events {word} TRIGGER no_change"
    connection.execute(sa.text(statement))
