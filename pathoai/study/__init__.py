"""The study: a folder with its sheet, its cohort of coded slides and everything derived."""
