"""What is varied in training: drawn on the CPU, computed on the device or in the loader."""
