"""A network of hundreds of tasks, all of other shapes: nothing takes the square of their number, nothing gives up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search import networks
from search.networks.importing import import_file
from search.networks.layout import lower_best
from search.networks.plan import plan
from tunedb.records import Target

pytestmark = pytest.mark.tvm

_WIDTHS = range(5, 29)  # of which 24 * 24 pairs can be made


def _walk() -> Iterator[int]:
    """Widths of which no two that follow one another ever come again so: an Eulerian circuit of all pairs."""
    left = {width: list(_WIDTHS) for width in _WIDTHS}
    stack, circuit = [_WIDTHS[0]], []
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            circuit.append(stack.pop())
    return reversed(circuit)


def many_layers(number: int) -> Any:
    """A network of so many small layers, each another program."""
    widths = list(islice(_walk(), number + 1))
    g = Graph("many", 0)
    x = g.input("x", (1, widths[0]))
    for width, out in pairwise(widths):
        product = g.node("MatMul", x, g.normal(width, out, fan_in=width))
        x = g.node("Relu", g.node("Add", product, g.constant(g.rng.normal(0.0, 0.05, out))))
    return g.model(x)


def test_no_two_layers_are_the_same_program(save: Callable[..., Path], target: Target, empty_store: Any) -> None:
    lowered = lower_best(import_file(save(many_layers(40))), target)
    assert [task.weight for task in lowered.tasks] == [1.0] * 40
    assert len({choice.workload.workload_id for choice in plan(lowered, empty_store, None)}) == 40


@pytest.mark.slow
def test_five_hundred_tasks_are_compiled_and_tuned(
    save: Callable[..., Path], target: Target, empty_store: Any, tmp_path: Path
) -> None:
    path = save(many_layers(500))

    report = networks.tune(str(path), 3, store=empty_store, target=target)
    assert report.trials == 3
    assert len(report.tasks) == 500

    options = networks.CompileOptions(predicts=False)  # a prediction takes a second of each task, one after another
    compiled = networks.compile(str(path), tmp_path / "many.so", store=empty_store, target=target, options=options)
    assert len(compiled.programs) == 500
    assert compiled.manifest.verification.agrees
    x = np.random.default_rng(0).normal(size=(1, _WIDTHS[0])).astype(np.float32)
    (made,) = networks.Library(compiled.path).run({"x": x}).values()
    assert np.isfinite(made).all()
    assert made.any()
