"""What the drawing tools do to outlines, without a screen."""
