"""What decisions and outlines are worth: one file per metric, arrays in, numbers out; no torch."""
