"""What machines and people read of a package before its data: one file for each description."""
