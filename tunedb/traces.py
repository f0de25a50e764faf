"""A trace's two parts: what all trials of its design space share, and the postprocessors' work on one candidate."""

from __future__ import annotations

_POSTPROC = b'["EnterPostproc"'  # a quote inside a JSON string is escaped: this never occurs within one
NO_POSTPROC = b"[]"


def split_instructions(instructions: bytes) -> tuple[bytes, bytes]:
    """Splits a trace's instructions before `EnterPostproc`, into two JSON arrays."""
    cut = instructions.find(_POSTPROC)
    if cut < 0:
        return instructions, NO_POSTPROC
    head = instructions[:cut].rstrip()
    return head.removesuffix(b",").rstrip() + b"]", b"[" + instructions[cut:]


def join_instructions(shared: bytes, postproc: bytes) -> bytes:
    """The inverse of `split_instructions`."""
    if postproc == NO_POSTPROC:
        return shared
    return shared[:-1] + (b"," if len(shared) > 2 else b"") + postproc[1:]
