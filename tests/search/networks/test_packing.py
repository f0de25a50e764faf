"""Constants that are packed late, and with NumPy, are what TVM would have made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodels.features import loop_nest
from costmodels.features.loops import PACKING
from costmodels.features.packing import UnforeseenError, Unpacked
from search.contexts import contexts
from search.networks.importing import import_file
from search.networks.lowering import Layout, lower
from search.space.spaces import DesignSpaces
from tests.search.networks.conftest import small_images
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

pytestmark = pytest.mark.tvm


@pytest.fixture(params=Layout)
def tasks(request: pytest.FixtureRequest, save: Callable[..., Path], target: Target) -> list[Any]:
    """The tasks that read constants, each with its design spaces, which leave these as they are."""
    lowered = lower(import_file(save(small_images())), target, request.param)
    free = [task for task in lowered.tasks if "layout_free_buffers" in (task.mod["main"].attrs or {})]
    found = []
    for task, context in zip(free, contexts(free, target, seed=0), strict=True):
        spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
        spaces.put_off_packing()
        found.append((task, spaces))
    return found


def refuse() -> Any:
    raise AssertionError("packed after all")


def test_what_is_not_yet_packed_is_described_as_it_will_be(tasks: list[Any]) -> None:
    num_foreseen = 0
    for _, spaces in tasks:
        for candidate in spaces.sample(9):
            assert not candidate.is_packed
            try:
                early = loop_nest.extract([Unpacked(candidate.schedule, refuse)], spaces.context)
            except AssertionError:
                continue
            num_foreseen += 1
            late = loop_nest.extract([spaces.pack(candidate)], spaces.context)
            np.testing.assert_array_equal(early, late)
        spaces.close()
    assert num_foreseen > 9


def test_what_is_verified_is_packed_once_and_the_same_candidate(tasks: list[Any]) -> None:
    for _, spaces in tasks:
        candidates = spaces.sample(3)
        spaces.pack(candidates[0])  # features may have asked for it
        verified = spaces.verified(candidates)
        assert [one and one.key for one in verified] == [one.key for one in candidates]
        for one in verified:
            assert one is not None
            assert one.is_packed
            text = str(one.schedule.trace)
            assert text.count(PACKING) == len(one.schedule.mod["main"].attrs["layout_free_buffers"])
        spaces.close()


def test_numpy_packs_what_a_compiled_program_would(tasks: list[Any], target: Target) -> None:
    import tvm

    from search.networks.packing import packed

    compared = 0
    for _, spaces in tasks:
        (candidate,) = spaces.sample(3)[:1]
        for function in _packing_programs(spaces.pack(candidate), target_to_tvm(target)):
            num_inputs = len(function.params) // 2
            shapes = [[int(extent) for extent in param.shape] for param in function.params]
            rng = np.random.default_rng(0)
            values = [rng.normal(size=shape).astype("float32") for shape in shapes[:num_inputs]]
            made = packed(function, values)
            assert made is not None
            module = tvm.compile(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}), target="llvm")
            outputs = [tvm.runtime.tensor(np.zeros(shape, "float32")) for shape in shapes[num_inputs:]]
            module["main"](*(tvm.runtime.tensor(value) for value in values), *outputs)
            for one, other in zip(made, outputs, strict=True):
                np.testing.assert_array_equal(one, other.numpy())
            compared += 1
        spaces.close()
    assert compared


def _packing_programs(schedule: Any, target: Any) -> list[Any]:
    """What packs the constants of a scheduled program, as a network has it."""
    from tvm import relax

    (function,) = schedule.mod.functions.values()
    shapes = [([int(extent) for extent in param.shape], str(param.dtype)) for param in function.params]
    builder = relax.BlockBuilder()
    var = builder.add_func(function.with_attr("tirx.is_scheduled", True), "program")
    inputs = [relax.Var(f"x{n}", relax.TensorType(*one)) for n, one in enumerate(shapes[:-1])]
    with builder.function("main", inputs):
        with builder.dataflow():
            made = builder.emit(relax.call_tir(var, inputs, relax.TensorType(*shapes[-1])))
            out = builder.emit_output(made)
        builder.emit_func_output(out)
    with target:
        mod = relax.transform.SplitLayoutRewritePreproc()(builder.get())
    return [one for name, one in mod.functions_items() if str(name.name_hint).endswith("weight_prepack")]


def test_an_index_that_is_no_sum_of_loops_is_not_foreseen() -> None:
    from tvm import te, tirx

    from costmodels.features.packing import dimensions_of

    i, j = te.var("i"), te.var("j")
    loops = {hash(i): (0, 7), hash(j): (1, 4)}
    assert [one.part.extent for one in dimensions_of([j * 7 + i], [28], {}, loops)] == [4, 7]
    whole = dimensions_of([tirx.floordiv(j * 8 + i, 8)], [4], {}, {**loops, hash(i): (0, 8)})
    assert [one.part.extent for one in whole] == [4]
    with pytest.raises(UnforeseenError):
        dimensions_of([i * j], [28], {}, loops)
    with pytest.raises(UnforeseenError):
        dimensions_of([tirx.floormod(i, 3)], [3], {}, loops)
