"""Where a point of one slide lies on another slide of the same section."""
