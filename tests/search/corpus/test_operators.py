"""The operators of a collection."""

from __future__ import annotations

import pytest

from search.corpus import operators
from tunedb.errors import BadInputError


def test_unknown_operators_are_refused() -> None:
    with pytest.raises(BadInputError, match="no operator 'conv9d': there are batch_matmul_nkkm"):
        operators.family("conv9d")


def test_families() -> None:
    assert operators.family("softmax_mn") == "softmax"
    assert operators.family("layer_norm") == operators.family("norm_bmn") == "norm"
    assert len({operators.family(name) for name in operators.names()}) >= 12


@pytest.mark.tvm
def test_every_operator_of_the_corpus_can_be_made() -> None:
    from pathlib import Path

    from search.corpus.collect import read_spec

    spec = read_spec(Path(__file__).parents[3] / "data" / "corpus.toml")
    assert sum(len(row.sizes) for row in spec.workloads) >= 110
    assert len({operators.family(row.operator) for row in spec.workloads}) >= 12
    for row in spec.workloads:
        for sizes in row.sizes:
            operators.prim_func(row.operator, sizes, row.dtype)


@pytest.mark.tvm
def test_families_that_models_are_judged_by_have_taught_none() -> None:
    from pathlib import Path

    from search.corpus.collect import read_spec

    root = Path(__file__).parents[3]
    taught = {
        operators.family(row.operator) for path in (root / "data").glob("*.toml") for row in read_spec(path).workloads
    }
    for row in read_spec(root / "benchmarks" / "logs" / "corpus-new-families.toml").workloads:
        assert operators.family(row.operator) not in taught
        for sizes in row.sizes:
            operators.prim_func(row.operator, sizes, row.dtype)


@pytest.mark.tvm
def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(BadInputError, match=r"no softmax_mn of sizes \[3\]"):
        operators.prim_func("softmax_mn", [3])
    with pytest.raises(BadInputError, match="no choice of dtype"):
        operators.prim_func("softmax_mn", [3, 3], "int8")
