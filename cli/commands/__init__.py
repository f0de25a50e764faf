"""One file per verb.

Each has `SUMMARY` and `EXAMPLES` for the help, `command` for Typer, and pure functions from results to answers.
"""
