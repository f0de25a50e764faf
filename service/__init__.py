"""The service: one memory for a team. A store over HTTP, for tuning machines, scripts and people."""
