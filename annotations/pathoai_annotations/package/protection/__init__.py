"""What protects a finished package on its way: who signed it, and who alone can read it."""
