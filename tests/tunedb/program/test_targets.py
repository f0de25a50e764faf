"""Near-equal targets are named together, and never answer for each other."""

from __future__ import annotations

import pytest

from tunedb.errors import NotFoundError
from tunedb.identity import canonical_target
from tunedb.program.targets import described, differences, family, near
from tunedb.store.resolve import pick_target

ONE = canonical_target({"kind": "llvm", "mcpu": "znver5", "num-cores": 1})
EIGHT = canonical_target({"kind": "llvm", "mcpu": "znver5", "num-cores": 8})
FLAGS = canonical_target({"kind": "llvm", "mcpu": "znver5", "num-cores": 8, "mattr": ["+avx512f"]})
OTHER = canonical_target({"kind": "llvm", "mcpu": "skylake", "num-cores": 1})
ALL = [ONE, EIGHT, FLAGS, OTHER]


def test_those_that_differ_least_come_first() -> None:
    assert near(ALL, ONE) == [EIGHT, FLAGS]
    assert near(ALL, OTHER) == []
    assert family(ONE) == "llvm znver5"


def test_in_what_they_differ() -> None:
    assert differences(ONE, FLAGS) == {"mattr": (None, ["+avx512f"]), "num-cores": (1, 8)}
    assert described(FLAGS, ALL) == 'mattr=["+avx512f"] num-cores=8'
    assert described(ONE, ALL) == "mattr=- num-cores=1"
    assert described(OTHER, ALL) == ""


def test_one_that_is_not_there_is_not_replaced() -> None:
    with pytest.raises(NotFoundError, match=f"near-equal, with other flags: {EIGHT.target_id[:12]} num-cores=8"):
        pick_target([EIGHT, OTHER], ONE.text)
    with pytest.raises(NotFoundError, match="it has"):
        pick_target([OTHER], ONE.text)
