"""Networks and the bundles in which they travel: torch alone, no training framework."""
