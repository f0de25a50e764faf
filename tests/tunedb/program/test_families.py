"""What kind of operator a program is, how large it is, and what people call it."""

from __future__ import annotations

import pytest

from tests.tunedb import graphs
from tunedb.identity import program_from_graph
from tunedb.program.families import fused, parts_of_words


def test_a_program_is_described_by_its_heaviest_block() -> None:
    found, _ = program_from_graph(graphs.new_form((128, 64, 32)), "1")
    assert (found.family, found.epilogue, found.extents) == ("matmul", "", (128, 64, 32))
    assert found.name == "matmul 128x64x32 float32"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["conv2d+relu", "1x112x112x64x7x7x3", "float32"], ("conv2d", "relu", (1, 112, 112, 64, 7, 7, 3))),
        (["dense_nopack.x86", "1x512", "1000x512"], ("dense_nopack.x86", "", (1, 512))),
        (["matmul", "nx128", "float32"], ("matmul", "", ())),
        (["matmul", f"{10**18}x4", "float32"], ("matmul", "", ())),
        (["matmul", f"{10**18 - 1}x4", "float32"], ("matmul", "", (10**18 - 1, 4))),
        (["unknown", "1x2", "float32"], ("unknown", "", ())),
        ([], ("unknown", "", ())),
    ],
)
def test_what_older_tuners_say_in_words(words: list[str], parts: tuple[str, str, tuple[int, ...]]) -> None:
    assert parts_of_words(words) == parts


def test_what_is_fused_behind_an_operator_belongs_to_its_family() -> None:
    assert fused("conv2d", "relu") == "conv2d+relu"
    assert fused("conv2d", "") == "conv2d"
