"""How a slide is cut into tiles."""
