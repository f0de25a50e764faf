"""The Bayesian optimization: prior, posterior, candidate pool, acquisition. It knows no host that drives it."""
