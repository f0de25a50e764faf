"""What a machine is, and the reference kernels that tell what it can do."""
