"""Reading tuning logs into a store: finding files, reading them piece by piece, reporting what was bad. No TVM."""
