"""Products of quantised tensors in integer arithmetic, by instructions that add products of four bytes at once."""
