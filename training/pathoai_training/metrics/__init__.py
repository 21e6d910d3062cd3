"""What is counted on tensors while a network learns; every other number is in pathoai.metrics."""
