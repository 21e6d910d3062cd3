"""From a bundle and a store to blended probabilities, class maps and objects: torch alone."""
