"""Labels for H&E slides from immunohistochemistry on the same section."""
