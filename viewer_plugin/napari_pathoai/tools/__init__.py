"""What mouse and keys do to annotations, one file per tool; each acts on a review."""
