"""Models of a study as files for other programs, each verified on held-out items."""
