"""Constants packed as schedules want them, with NumPy. Relax's own `FoldConstant` compiles a program for each set.

What packs constants moves their elements about: each dimension of what is made is a part of an axis of a constant. A
program that does something else is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from costmodels.features.packing import Part, UnforeseenError, terms_of
from search.networks.expressions import constant_of, operator_of


@mutator
class _Packer(PyExprMutator):
    def __init__(self, mod: Any) -> None:
        super().__init__(mod)
        self._mod = mod

    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        if operator_of(call) != "relax.call_tir":
            return call
        function, values = self._mod[call.args[0]], [constant_of(value) for value in call.args[1].fields]
        if not values or any(value is None for value in values) or not isinstance(function, tirx.PrimFunc):
            return call
        made = packed(function, values)
        if made is None:
            return call
        constants = [relax.const(value, str(value.dtype)) for value in made]
        return constants[0] if len(constants) == 1 else relax.Tuple(constants)


def packed(function: Any, values: Sequence[Any]) -> list[Any] | None:
    """Constants as a program moves their elements about; None where it does something else.

    Args:
        function: A PrimFunc that takes constants, and writes as many tensors.
        values: The constants.
    """
    params = [hash(param) for param in function.params]
    sources, targets = params[: len(values)], params[len(values) :]
    made: dict[int, Any] = {}
    try:
        for store in _stores(function.body):
            source, target = hash(store.value.source), hash(store.buffer)
            if source not in sources or target not in targets or target in made:
                return None
            shape = [int(extent) for extent in store.buffer.shape]
            made[target] = _moved(store, values[sources.index(source)], shape)
    except (UnforeseenError, AttributeError):
        return None
    return [made[target] for target in targets] if len(made) == len(targets) else None


def _stores(body: Any) -> Iterator[Any]:
    """The stores of a program that does nothing else in its loops."""
    kind = type(body).__name__
    if kind == "SeqStmt":
        for part in body.seq:
            yield from _stores(part)
    elif kind == "SBlockRealize":
        yield from _stores(body.block.body)
    elif kind == "For":
        yield from _stores(body.body)
    elif kind == "BufferStore":
        yield body
    else:
        raise UnforeseenError(f"a program that packs constants has a {kind}")


def _moved(store: Any, value: Any, shape: Sequence[int]) -> Any:
    """What a store makes of a constant.

    Raises:
        UnforeseenError: It does more than to move its elements about.
    """
    variables = {hash(index): (axis, value.shape[axis]) for axis, index in enumerate(store.value.indices)}
    if len(variables) < value.ndim:
        raise UnforeseenError("a constant is read where two of its axes are the same")
    order = [part for index in store.indices for part in _part(index, variables)]
    split = sorted(order, key=lambda part: (part.place, -part.factor))
    for axis, extent in enumerate(value.shape):
        below = 1
        for part in reversed([part for part in split if part.place == axis]):
            if part.factor != below:
                raise UnforeseenError("a part of a constant's axis is left out")
            below *= part.extent
        if below != extent:
            raise UnforeseenError("a part of a constant's axis is left out")
    apart = value.reshape([part.extent for part in split])
    return np.ascontiguousarray(apart.transpose([split.index(part) for part in order])).reshape(shape)


def _part(index: Any, variables: Mapping[int, tuple[int, int]]) -> list[Part]:
    """The part of an axis that an index is; none where its extent is 1."""
    terms = terms_of(index, {}, variables)
    if len(terms) > 1 or any(term.scale != 1 for term in terms):
        raise UnforeseenError(f"a constant is packed at {index}")
    return [term.part for term in terms]


@relax.transform.function_pass(opt_level=0)
class PackConstants:
    """Packs the constants of a network whose programs are scheduled."""

    def transform_function(self, function: Any, mod: Any, context: Any) -> Any:
        """A function with packed constants."""
        del context
        return _Packer(mod).visit_expr(function)
