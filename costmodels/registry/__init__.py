"""Saved models: what a manifest promises, which model predicts for a target, taking in one from elsewhere."""
