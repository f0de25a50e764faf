"""Features of recorded trials, computed in child processes and kept in the store."""
