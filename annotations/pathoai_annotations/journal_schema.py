"""The journal's table, and the triggers that make it append-only."""

from __future__ import annotations

from sqlalchemy import DDL, Float, Index, Integer, LargeBinary, MetaData, String, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 1
"""SQLite's ``user_version``; raised when an older pathoai would misread the table."""


class Base(DeclarativeBase):
    """All tables of the journal."""

    metadata = MetaData()


class EventRow(Base):
    """One edit, with the whole state of the annotation after it.

    Holding the state, not the difference, makes any past state one query and leaves nothing to
    replay wrongly.
    """

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[str] = mapped_column(String, doc="ISO 8601, UTC, milliseconds")
    author: Mapped[str] = mapped_column(String, doc="code of who did it")
    tool: Mapped[str] = mapped_column(String, doc="program and version")
    operation: Mapped[str] = mapped_column(String, doc="propose, validate, correct, reject")
    annotation_id: Mapped[str] = mapped_column(String)
    slide_id: Mapped[str] = mapped_column(String)
    label: Mapped[str] = mapped_column(String)
    geometry: Mapped[bytes] = mapped_column(LargeBinary, doc="WKB, level-0 pixels")
    min_x: Mapped[float] = mapped_column(Float)
    min_y: Mapped[float] = mapped_column(Float)
    max_x: Mapped[float] = mapped_column(Float)
    max_y: Mapped[float] = mapped_column(Float)
    origin: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    confidence: Mapped[float | None] = mapped_column(Float)
    derived_from: Mapped[str | None] = mapped_column(String)

    __table_args__ = (
        Index("events_by_annotation", "annotation_id", "seq"),
        Index("events_by_slide", "slide_id", "seq"),
        {"sqlite_autoincrement": True},
    )


# Without the last, INSERT OR REPLACE would overwrite a row without firing the others.
for _name, _when in (
    ("no_update", "BEFORE UPDATE ON events"),
    ("no_delete", "BEFORE DELETE ON events"),
    ("no_replace", "BEFORE INSERT ON events WHEN NEW.seq IN (SELECT seq FROM events)"),
):
    event.listen(
        EventRow.__table__,
        "after_create",
        DDL(
            f"CREATE TRIGGER {_name} {_when} "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        ),
    )
