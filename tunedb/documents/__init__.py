"""Records, answers and reports as JSON documents: what `--json` prints and a service sends.

A document is made of dicts, lists, texts, numbers, booleans and None alone. Times are in seconds, sizes in bytes; the
keys are in docs/cli.md. What `costmodels` and `search` answer has its documents there.
"""
