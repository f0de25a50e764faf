"""Machines of other architectures: what links for them here, what runs their code here, and a device made of both."""
