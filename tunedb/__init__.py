"""tunedb's store: what is remembered of every tuned workload, target and machine."""
