"""What can be done by key; no key is named anywhere else."""
