"""tunedb's cli."""
