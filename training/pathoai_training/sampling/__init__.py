"""In which order training sees its items: pure functions of seed and step."""
