"""Run by Alembic, not imported: migrates over the connection of whoever asked.

That connection is within a transaction, which is what makes an upgrade all or nothing.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
