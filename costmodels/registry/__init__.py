"""Saved models: their manifests, where they are kept, which one predicts for a target, taking in one from elsewhere."""
