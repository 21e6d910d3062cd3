"""Coded identities: how slides and patients enter a study without their names."""
