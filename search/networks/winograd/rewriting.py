"""Puts Winograd's convolutions into a network, where they take less time than direct ones.

What follows a convolution element by element (bias, sum with a shortcut, activation) becomes part of the output's
transform. Between the transforms is a product of matrices, a task that is tuned and predicted like any other; its
weights are transformed here, and packed when the network is built.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from search.networks.expressions import constant_of, extents_of, operator_of, with_functions
from search.networks.winograd.matrices import FOUR, KERNEL, TWO
from search.networks.winograd.programs import Padding, Step, Tiles, input_transform, output_transform

_OPS_PER_LANE = 6e9  # a second, of a core at products
_BYTES_PER_SEC = 2e10  # at which a core reads weights, and what it has just written
_GAIN = 1.15  # by which a guess must be better


@dataclass(slots=True, eq=False)
class _Chain:
    """A convolution and what follows it, as far as it is done element by element and needed once."""

    conv: Any
    tiles: Tiles
    weights: Any  # array [3, 3, channels, filters]
    steps: list[Step] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)  # what steps are given, as expressions


def with_winograd(mod: Any, lanes: int, num_cores: int) -> Any:
    """A module in which convolutions are computed by Winograd's algorithm, where that pays.

    Args:
        mod: A tvm IRModule with Relax functions of operators, channels last; programs are added to it.
        lanes: float32 numbers of a vector.
        num_cores: That it runs on.
    """
    found = _Rewriter(mod, lanes, num_cores)
    return relax.transform.DeadCodeElimination()(with_functions(mod, found.builder, found.rewritten))


def best_tiles(
    images: int, height: int, width: int, padding: Padding, channels: int, filters: int, lanes: int
) -> Tiles | None:
    """The tiles with which a convolution is believed to take the least time; None where it is best done directly.

    Larger tiles take fewer products, and read more weights.

    Args:
        images: How many.
        height: Of the input.
        width: Of the input.
        padding: Above, left, below, right.
        channels: Of the input.
        filters: Channels of the output.
        lanes: float32 numbers of a vector.
    """
    ops_per_sec = _OPS_PER_LANE * lanes

    def products(matrices: int, rows: int) -> float:
        """Seconds of products of matrices [rows, channels] and [channels, filters]."""
        weights = float(channels * filters * matrices)
        return max(2.0 * rows * weights / ops_per_sec, 4.0 * weights / _BYTES_PER_SEC)

    def secs(tiles: Tiles) -> float:
        points = tiles.filtering.points
        moved = 2 * 4.0 * points * tiles.number * (channels + filters)  # written, and read again
        return products(points, tiles.number) + moved / _BYTES_PER_SEC

    every = [Tiles(filtering, images, height, width, padding) for filtering in (TWO, FOUR)]
    best = min(every, key=secs)
    height, width = best.out
    return best if products(KERNEL**2, images * height * width) > _GAIN * secs(best) else None


@mutator
class _Rewriter(PyExprMutator):
    def __init__(self, mod: Any, lanes: int, num_cores: int) -> None:
        super().__init__(mod)
        self._lanes, self._num_cores = lanes, num_cores
        self._chains: dict[Any, _Chain] = {}  # by the call that ends them

    @property
    def builder(self) -> Any:
        """What the new programs are in."""
        return self.builder_

    def rewritten(self, function: Any) -> Any:
        """What takes the place of a function of the module."""
        self._chains = _chains(function, self._lanes)
        return self.visit_expr(function) if self._chains else function

    def visit_call_(self, call: Any) -> Any:
        chain = self._chains.get(call)
        if chain is None:
            return super().visit_call_(call)
        image = self.visit_expr(chain.conv.args[0])
        given = [self.visit_expr(one) for one in chain.given]
        channels, filters = chain.weights.shape[2:]
        tiles = chain.tiles
        read = input_transform(tiles, channels, self._lanes, self._num_cores)
        written = output_transform(tiles, filters, self._lanes, self._num_cores, chain.steps)
        points = tiles.filtering.points
        matrices = self._called("winograd_input", read, [image], (points, tiles.number, channels))
        weights = relax.const(tiles.filtering.transformed(chain.weights), "float32")
        products = self.builder_.emit(relax.op.matmul(matrices, weights))
        return self._called("winograd_output", written, [products, *given], (tiles.images, *tiles.out, filters))

    def _called(self, name: str, program: Any, arguments: list[Any], shape: tuple[int, ...]) -> Any:
        var = self.builder_.add_func(program, name)
        return self.builder_.emit(relax.call_tir(var, arguments, relax.TensorType(shape, "float32")))


def _chains(function: Any, lanes: int) -> dict[Any, _Chain]:
    """The convolutions of a function that are worth it, by the call that ends the chain of each."""
    values: dict[Any, Any] = {}
    users: dict[Any, list[tuple[Any, Any]]] = {}  # calls, and the variables that they are bound to
    count: Counter[Any] = Counter()
    for block in getattr(function.body, "blocks", ()):
        for binding in block.bindings:
            if not isinstance(binding, relax.VarBinding):
                continue
            values[binding.var] = binding.value
            for argument in getattr(binding.value, "args", ()):
                if isinstance(argument, relax.Var):
                    users.setdefault(argument, []).append((binding.var, binding.value))
            relax.analysis.post_order_visit(binding.value, lambda one: _count(count, one))
    relax.analysis.post_order_visit(function.body.body, lambda one: _count(count, one))
    found = {}
    for var, value in values.items():
        chain = _begun(value, values, lanes)
        if chain is None:
            continue
        end, last = var, value
        while count[end] == 1 and len(users.get(end, ())) == 1:
            follower, call = users[end][0]
            if call in found or not _joined(chain, end, call, values):
                break
            end, last = follower, call
        found[last] = chain
    return found


def _count(count: Counter[Any], value: Any) -> None:
    if isinstance(value, relax.Var):
        count[value] += 1


def _begun(call: Any, values: dict[Any, Any], lanes: int) -> _Chain | None:
    """A chain with a convolution alone; None of what is none, or does not pay."""
    if operator_of(call) != "relax.nn.conv2d":
        return None
    attrs, weights = call.attrs, _constant(call.args[1], values)
    is_plain = (
        attrs.groups == 1
        and [*attrs.strides] == [1, 1]
        and [*attrs.dilation] == [1, 1]
        and (attrs.data_layout, attrs.kernel_layout, attrs.out_layout) == ("NHWC", "HWIO", "NHWC")
    )
    shape = extents_of(call.args[0])
    if not is_plain or weights is None or str(weights.dtype) != "float32" or shape is None:
        return None
    if weights.shape[:2] != (KERNEL, KERNEL) or any(extent % lanes for extent in weights.shape[2:]):
        return None
    top, left, bottom, right = map(int, attrs.padding)
    images, height, width, channels = shape
    tiles = best_tiles(images, height, width, (top, left, bottom, right), channels, weights.shape[3], lanes)
    return None if tiles is None else _Chain(call, tiles, weights)


def _joined(chain: _Chain, var: Any, call: Any, values: dict[Any, Any]) -> bool:
    """Whether a call that takes the end of a chain is done with it from now on."""
    name = operator_of(call)
    if name == "relax.nn.relu":
        chain.steps.append(Step(lambda value: tirx.Max(value, tirx.const(0.0, "float32"))))
        return True
    if name not in _WITH or len(call.args) != 2:
        return False
    first, second = call.args
    other = second if first.same_as(var) else first
    if other.same_as(var):
        return False
    value = _constant(other, values)
    apply = _WITH[name]
    if value is not None and value.size == 1:
        number = float(value.reshape(-1)[0])
        chain.steps.append(Step(lambda element: apply(element, tirx.const(number, "float32"))))
        return True
    filters = chain.weights.shape[3]
    if value is not None and value.shape[-1] == value.size == filters:
        chain.steps.append(Step(apply, (filters,)))
        chain.given.append(relax.const(value.reshape(-1), "float32"))
        return True
    shape = (chain.tiles.images, *chain.tiles.out, filters)
    if value is None and extents_of(other) == shape and str(other.ty.dtype) == "float32":
        chain.steps.append(Step(apply, shape))
        chain.given.append(other)
        return True
    return False


_WITH = {
    "relax.add": lambda one, other: one + other,
    "relax.multiply": lambda one, other: one * other,
    "relax.maximum": tirx.Max,
    "relax.minimum": tirx.Min,
}


def _constant(value: Any, values: dict[Any, Any]) -> Any:
    """A constant's value as an array; None of what is none."""
    return constant_of(values.get(value, value))
