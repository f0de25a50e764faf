"""Machines behind TVM's RPC tracker as one device: this machine builds, their servers run."""
