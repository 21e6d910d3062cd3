"""What is wrong with a slide: pen, folds, blur, air bubbles, blood and the edge of the glass."""
