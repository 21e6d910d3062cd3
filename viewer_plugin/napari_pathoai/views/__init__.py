"""What helps to look: where one is, how large, what lies beside it; each acts on a review."""
