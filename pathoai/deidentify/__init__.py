"""Copies of slides that may leave: what is allowed is written, everything else is left behind."""
