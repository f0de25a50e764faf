"""Traces as JSON: split, joined, checked."""

from __future__ import annotations

import json

import pytest

from tunedb.errors import BadInputError
from tunedb.records import Trace
from tunedb.traces import compact_instructions, join_instructions, split_instructions, validated_trace

SHARED = b'[["A",[],["say \\"EnterPostproc\\""],["b0"]]]'
POSTPROC = b'[["EnterPostproc",[],[],[]],["B",["b0"],[],[]]]'


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        (b"[]", (b"[]", b"[]")),
        (SHARED, (SHARED, b"[]")),
        (SHARED[:-1] + b"," + POSTPROC[1:], (SHARED, POSTPROC)),
        (SHARED[:-1] + b" , " + POSTPROC[1:], (SHARED, POSTPROC)),
        (POSTPROC, (b"[]", POSTPROC)),
    ],
)
def test_split_and_join(whole: bytes, parts: tuple[bytes, bytes]) -> None:
    assert split_instructions(whole) == parts
    assert json.loads(join_instructions(*parts)) == json.loads(whole)


def test_compact() -> None:
    assert compact_instructions(b'[ ["A", [], [0.10, "x y"], []] ]') == b'[["A",[],[0.1,"x y"],[]]]'


@pytest.mark.parametrize("bad", [b"", b"null", b"[1]", b'[["A"]]', b'[["A",[],[],[1]]]', b"[" * 10_000])
def test_malformed_instructions(bad: bytes) -> None:
    with pytest.raises(BadInputError):
        compact_instructions(bad)
    with pytest.raises(BadInputError):
        validated_trace(Trace(bad, b"[]"))


def test_decisions_must_be_of_instructions() -> None:
    assert validated_trace(Trace(SHARED, b"[[0,[1,2]]]"))[1] == [[0, [1, 2]]]
    for bad in (b"[[1,0]]", b"[[-1,0]]", b"{}", b"[0]", b'[["x",0]]'):
        with pytest.raises(BadInputError):
            validated_trace(Trace(SHARED, bad))
