"""Building and running candidates on real hardware."""
