"""Words looked for in bytes: in every usual spelling, and inside what is compressed."""
