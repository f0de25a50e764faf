"""Tuning runs and benches as a page to look at: one HTML file that asks no network for anything."""
