"""Training: the only part of pathoai that knows PyTorch Lightning."""
