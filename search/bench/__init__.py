"""Whole networks, tuned by one strategy after the other from empty stores, and their libraries run in turn."""
