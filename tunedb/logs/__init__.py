"""Readers of tuning logs: what a file is, how to get at its lines, and what they say. No TVM."""
