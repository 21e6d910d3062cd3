"""What is said of a slide as a whole, from its store, a prediction and its table of objects."""
