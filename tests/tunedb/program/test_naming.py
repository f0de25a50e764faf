"""Programs have names for people."""

from __future__ import annotations

from tests.tunedb import graphs
from tunedb.identity import program_from_graph


def test_the_name_is_for_people() -> None:
    assert program_from_graph(graphs.new_form((128, 64, 32)), "1")[0].name == "matmul 128x64x32 float32"
