"""Collecting trials to learn from: operators by name, and a spec of what to measure of them."""
