"""Models of a study as files for other programs, each verified on tiles of the study."""
