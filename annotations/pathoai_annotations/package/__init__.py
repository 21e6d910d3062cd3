"""The FAIR package: an RO-Crate of validated annotations in a BagIt bag, built and verified."""
