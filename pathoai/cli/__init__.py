"""The command line: dispatch to commands that each component registers by entry point."""
