"""tunedb's search."""
