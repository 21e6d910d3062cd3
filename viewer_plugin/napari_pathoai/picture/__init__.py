"""What is seen of a slide: its layers, and where the view is."""
