"""The command: verbs, what surrounds them, and how results, progress and errors are shown."""
