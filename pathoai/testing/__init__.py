"""What proves other parts: generated slides with known truth, and conformance tests."""
