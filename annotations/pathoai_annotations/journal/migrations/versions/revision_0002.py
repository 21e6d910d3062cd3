"""Edits have an identity, and remarks: sign-offs, comments, what is about a slide.

SQLite cannot make a column optional, so the table is made again and its rows are copied. What is
written here is fixed: journals were made by it. The table of present states is filled by whoever
migrates, from the log.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from pathoai_annotations.journal.event import proposal_event_id

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 5000
_NAMESPACE = uuid.UUID("7a0b4c1e-56f4-5b0c-a3f6-2b9d0e8c4f71")
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TEXTS = ("label", "origin", "status", "derived_from", "measurements", "comment", "grade")
_BOX = ("min_x", "min_y", "max_x", "max_y")
_OLD_COLUMNS = (
    *("seq", "at", "author", "tool", "operation", "annotation_id", "slide_id", "label"),
    *("geometry", *_BOX, "origin", "status", "confidence", "derived_from"),
)
_REFUSAL = "the journal is append-only"
_SQLITE = (
    "CREATE TRIGGER no_update BEFORE UPDATE ON events"
    f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    "CREATE TRIGGER no_delete BEFORE DELETE ON events"
    f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    "CREATE TRIGGER no_replace BEFORE INSERT ON events"
    " WHEN NEW.seq <= (SELECT max(seq) FROM events)"
    " OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)"
    f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
)
_POSTGRESQL = (
    "CREATE FUNCTION refuse_change_of_events() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'"
    " USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON events"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_events()",
    "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON events"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_events()",
)


def upgrade() -> None:
    """Make the tables, copy the log, forbid to change it."""
    op.drop_index("events_by_annotation", "events")
    op.drop_index("events_by_slide", "events")
    op.rename_table("events", "events_0001")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX events_pkey RENAME TO events_0001_pkey")
    made = _create_events()
    _create_current()
    for rows in _old_rows():
        op.bulk_insert(made, rows)
    op.drop_table("events_0001")
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def _create_events() -> sa.Table:
    made = op.create_table(
        "events",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("at", "made_at", "author")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("tool", "operation")),
        sa.Column("slide_id", sa.String, nullable=False),
        sa.Column("annotation_id", sa.String(36)),
        sa.Column("stands", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.String) for name in _TEXTS),
        *(sa.Column(name, sa.Float) for name in (*_BOX, "seconds", "confidence")),
        sa.Column("with_model", sa.Boolean),
        sa.Column("geometry", sa.LargeBinary),
        sa.UniqueConstraint("event_id"),
    )
    op.create_index("events_by_annotation", "events", ["annotation_id", "seq"])
    op.create_index("events_by_slide", "events", ["slide_id", "seq"])
    op.create_index("events_by_time", "events", ["at", "seq"])
    return made


def _create_current() -> None:
    op.create_table(
        "current_annotations",
        sa.Column("annotation_id", sa.String(36), primary_key=True),
        *(sa.Column(name, _NUMBER, nullable=False) for name in ("seq", "first_seq")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("slide_id", "status")),
        *(sa.Column(name, sa.Float, nullable=False) for name in _BOX),
        sa.Column("cell", sa.Integer, nullable=False),
    )
    op.create_index("current_by_place", "current_annotations", ["slide_id", "cell", "status"])
    op.create_index("current_by_seq", "current_annotations", ["seq"])


def _old_rows() -> Iterator[list[dict[str, Any]]]:
    old = sa.table("events_0001", *(sa.column(name) for name in _OLD_COLUMNS))
    after, at = 0, ""
    while True:
        query = sa.select(old).where(old.c.seq > after).order_by(old.c.seq).limit(_ROWS_AT_ONCE)
        rows = [dict(row) for row in op.get_bind().execute(query).mappings()]
        if not rows:
            return
        after = rows[-1]["seq"]
        for row in rows:
            row |= {"event_id": str(_event_id(row)), "made_at": row["at"], "stands": True}
            # The first schema let time go back with a clock that was put right.
            row["at"] = at = max(at, row["at"])
        yield rows


def _event_id(row: dict[str, Any]) -> uuid.UUID:
    """From the edit alone, so that copies of a journal, migrated apart, can be merged."""
    if row["operation"] == "propose":
        state = (row["annotation_id"], row["slide_id"], row["label"], bytes(row["geometry"]))
        return proposal_event_id(*state)
    names = ("seq", "at", "author", "tool", "operation", "annotation_id")
    return uuid.uuid5(_NAMESPACE, "\0".join(str(row[name]) for name in names))


def downgrade() -> None:
    """Never: a journal is not taken back."""
    raise NotImplementedError("the journal is append-only")
