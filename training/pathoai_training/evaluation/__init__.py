"""From a trained bundle and a subset of a split to the predictions that a report judges."""
