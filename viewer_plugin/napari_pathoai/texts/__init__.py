"""What the viewer says, in English and French; one file per area, joined in ``texts``."""
