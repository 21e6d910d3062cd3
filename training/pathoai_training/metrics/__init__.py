"""What predictions are worth: one file per metric, arrays in, numbers out."""
