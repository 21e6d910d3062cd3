"""What a study offers to learn from, split, read in batches and varied."""
