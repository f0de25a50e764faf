"""LSTM and GRU layers of ONNX graphs, unrolled: TVM's importer has neither.

What does not depend on the state, the product of all inputs with their weights, is one product before the first step. A
step is then a product with the state, and what the gates make of it; all steps are the same few programs.

Equations: ONNX operators LSTM and GRU, with their default activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunedb.errors import BadInputError

_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_GATES = {"LSTM": 4, "GRU": 3}
_ACTIVATIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def unroll(model: Any) -> Any:
    """A model without LSTM and GRU; it is changed.

    Args:
        model: An ONNX model with inferred shapes.

    Raises:
        BadInputError: One of them has what is not known here: other activations, peepholes, lengths that differ.
    """
    graph = model.graph
    if not any(node.op_type in _GATES for node in graph.node):
        return model
    writer = _Writer(graph)
    for node in list(graph.node):
        if node.op_type in _GATES and node.domain in ("", "ai.onnx"):
            _Layer(writer, node).write()
        else:
            writer.nodes.append(node)
    del graph.node[:]
    graph.node.extend(writer.nodes)
    return model


class _Writer:
    """Appends nodes and constants to a graph."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.nodes: list[Any] = []
        self._graph = graph
        self.shapes = {
            value.name: [extent.dim_value for extent in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
        self._count = 0

    def constant(self, value: Any) -> str:
        """The name of a new constant."""
        from onnx import numpy_helper

        name = self._fresh("constant")
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """The output of a new node."""
        from onnx import helper

        name = to or self._fresh(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def reshape(self, x: str, *shape: int, to: str = "") -> str:
        """A tensor in another shape."""
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)), to=to)

    def at(self, x: str, place: int, axis: int) -> str:
        """One of a tensor's slices, without that axis."""
        return self.node("Gather", x, self.constant(np.array(place, np.int64)), axis=axis)

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"unrolled_{kind}_{self._count}"


@dataclass(slots=True)
class _Gates:
    """The weights of one direction, transposed for products from the left."""

    w: Any  # [inputs, gates x hidden]
    r: Any  # [hidden, gates x hidden]
    wb: Any  # [gates x hidden]
    rb: Any


class _Layer:
    """One LSTM or GRU."""

    def __init__(self, writer: _Writer, node: Any) -> None:
        from onnx import helper

        self._out, self._node, self.kind = writer, node, node.op_type
        self._attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        given = {name: value for name, value in zip(_INPUTS, node.input, strict=False) if value}
        self._given = given
        self._check()
        self._steps, self._batch, self._inputs = writer.shapes[given["X"]]
        self._hidden = int(self._attributes["hidden_size"])

    def write(self) -> None:
        """Writes the layer's nodes."""
        out, reversed_ = self._out, _DIRECTIONS[self._direction]
        sequences, states, cells = [], [], []
        for number, is_reversed in enumerate(reversed_):
            sequence, state, cell = self._run(number, is_reversed)
            shape = (self._steps, 1, self._batch, self._hidden)
            steps = [out.reshape(step, 1, 1, self._batch, self._hidden) for step in sequence]
            sequences.append(out.node("Concat", *steps, axis=0) if len(steps) > 1 else out.reshape(steps[0], *shape))
            states.append(out.reshape(state, 1, self._batch, self._hidden))
            cells.append(out.reshape(cell, 1, self._batch, self._hidden) if cell else "")
        for name, parts, axis in zip(self._node.output, (sequences, states, cells), (1, 0, 0), strict=False):
            if not name:
                continue
            if len(parts) > 1:
                out.node("Concat", *parts, axis=axis, to=name)
            else:
                out.node("Identity", parts[0], to=name)

    def _run(self, number: int, is_reversed: bool) -> tuple[list[str], str, str]:
        """The states of all steps in the order of time, the last state, and the last cell state if there is one."""
        out, gates = self._out, self._weights(number)
        width = _GATES[self.kind] * self._hidden
        flat = out.reshape(self._given["X"], self._steps * self._batch, self._inputs)
        product = out.node("MatMul", flat, out.constant(gates.w))
        product = out.node("Add", product, out.constant(gates.wb))
        inputs = out.reshape(product, self._steps, self._batch, width)
        r, rb = out.constant(gates.r), out.constant(gates.rb)
        state = self._initial("initial_h", number)
        cell = self._initial("initial_c", number) if self.kind == "LSTM" else ""
        states = [""] * self._steps
        for step in reversed(range(self._steps)) if is_reversed else range(self._steps):
            given = out.at(inputs, step, axis=0)
            recurrent = out.node("Add", out.node("MatMul", state, r), rb)
            if self.kind == "LSTM":
                state, cell = self._lstm(out.node("Add", given, recurrent), cell)
            else:
                state = self._gru(given, recurrent, state, gates)
            states[step] = state
        return states, state, cell

    def _lstm(self, gates: str, cell: str) -> tuple[str, str]:
        i, o, f, c = self._parts(gates)
        out = self._out
        kept = out.node("Mul", out.node("Sigmoid", f), cell)
        cell = out.node("Add", kept, out.node("Mul", out.node("Sigmoid", i), out.node("Tanh", c)))
        return out.node("Mul", out.node("Sigmoid", o), out.node("Tanh", cell)), cell

    def _gru(self, given: str, recurrent: str, state: str, gates: _Gates) -> str:
        out = self._out
        xz, xr, xh = self._parts(given)
        hz, hr, hh = self._parts(recurrent)
        update = out.node("Sigmoid", out.node("Add", xz, hz))
        reset = out.node("Sigmoid", out.node("Add", xr, hr))
        if self._attributes.get("linear_before_reset"):
            hidden = out.node("Mul", reset, hh)
        else:
            r = out.constant(gates.r[:, 2 * self._hidden :])
            product = out.node("MatMul", out.node("Mul", reset, state), r)
            hidden = out.node("Add", product, out.constant(gates.rb[2 * self._hidden :]))
        new = out.node("Tanh", out.node("Add", xh, hidden))
        return out.node("Add", new, out.node("Mul", update, out.node("Sub", state, new)))

    def _parts(self, gates: str) -> Sequence[str]:
        number = _GATES[self.kind]
        apart = self._out.reshape(gates, self._batch, number, self._hidden)
        return [self._out.at(apart, place, axis=1) for place in range(number)]

    def _weights(self, number: int) -> _Gates:
        w, r = (self._constant(name)[number].T for name in ("W", "R"))
        width = _GATES[self.kind] * self._hidden
        biases = self._constant("B")[number] if "B" in self._given else np.zeros(2 * width, w.dtype)
        return _Gates(w, r, biases[:width], biases[width:])

    def _initial(self, name: str, number: int) -> str:
        if name in self._given:
            return self._out.at(self._given[name], number, axis=0)
        return self._out.constant(np.zeros((self._batch, self._hidden), self._constant("W").dtype))

    def _constant(self, name: str) -> Any:
        return self._out.constants[self._given[name]]

    @property
    def _direction(self) -> str:
        direction = self._attributes.get("direction", b"forward")
        return direction.decode() if isinstance(direction, bytes) else str(direction)

    def _check(self) -> None:
        """Refuses what is not known here.

        Raises:
            BadInputError: The layer has such a thing.
        """
        known = _ACTIVATIONS[self.kind] * len(_DIRECTIONS[self._direction])
        activations = [one.decode() for one in self._attributes.get("activations", [])]
        problems = {
            "its activations are not the usual ones": bool(activations) and activations != known,
            "it clips": "clip" in self._attributes,
            "it couples input and forget gates": bool(self._attributes.get("input_forget")),
            "its batch comes first (layout 1)": bool(self._attributes.get("layout")),
            "it has lengths of sequences": "sequence_lens" in self._given,
            "it has peepholes": "P" in self._given,
            "its weights are not constant": any(
                self._given.get(name, "") not in self._out.constants for name in ("W", "R", "B") if name in self._given
            ),
            "the shape of its input is not known": len([e for e in self._out.shapes.get(self._given["X"], []) if e])
            != 3,
        }
        found = [told for told, holds in problems.items() if holds]
        if found:
            name = self._node.name or self._node.output[0]
            raise BadInputError(f"{self.kind} {name} cannot be imported: {', and '.join(found)}")
