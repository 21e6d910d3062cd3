"""Migrations of the journal's tables, by Alembic: one file per revision, the newest last."""
