"""Where the tissue is on a slide."""
