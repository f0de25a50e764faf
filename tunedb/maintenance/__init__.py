"""Looking after stores: merging, verifying and repairing them."""
