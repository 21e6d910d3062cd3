"""The FAIR package: what is validated leaves the study as an RO-Crate in a BagIt bag."""
