"""The log formats: what a file is, and what its lines say. No TVM."""
