"""The journal: an append-only log of edits, in SQLite or PostgreSQL, and its history."""
