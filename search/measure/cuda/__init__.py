"""The CUDA devices of this machine as one device: a process for each, under a watchdog, and several side by side."""
