"""What can be learnt: one file per task, each a Lightning module with small hooks."""
