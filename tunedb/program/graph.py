"""Reads a TVM module's JSON graph of any release as one kind of node. No TVM, and nothing trusted.

Two forms are known. The old one is `{"root", "nodes": [{"type_key", "attrs", "data", "keys"}]}`, where all attributes
are strings. The one since TVM FFI is `{"root_index", "nodes": [{"type", "data"}]}`, where an attribute is a literal or
the index of another node; an IntImm's value is a literal until 0.26, and another node since. Here only nodes and their
fields are known; what they mean is `signature.py`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tunedb.errors import BadInputError

# One name for what releases call differently; all others go by the last component of their type's name.
_KINDS = {
    "SBlock": "Block",
    "SBlockRealize": "BlockRealize",
    "TensorLoad": "BufferLoad",
    "TensorRegion": "BufferRegion",
    "runtime.String": "String",
}


class _Node(msgspec.Struct):
    type: str = ""
    type_key: str = ""
    data: object = None
    attrs: dict[str, str] = msgspec.field(default_factory=dict)
    keys: list[str] = msgspec.field(default_factory=list)
    repr_str: str = ""


class _Graph(msgspec.Struct):
    nodes: list[_Node]
    root: int = -1
    root_index: int = -1
    attrs: dict[str, str] = msgspec.field(default_factory=dict)
    metadata: dict[str, object] = msgspec.field(default_factory=dict)


_DECODER = msgspec.json.Decoder(_Graph)


class ProgramGraph:
    """A module's JSON graph. Every method raises `BadInputError` where the graph is not as it must be."""

    def __init__(self, graph_json: bytes) -> None:
        try:
            graph = _DECODER.decode(graph_json)
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"the module's JSON graph cannot be read: {error}") from error
        self._nodes = graph.nodes
        self._kinds: list[str] = []
        for node in graph.nodes:
            last = (node.type or node.type_key).rpartition(".")[2]
            self._kinds.append(_KINDS.get(last, last))
        self._integers_are_nodes = self._all_integers_lead_to_nodes()
        self.root = graph.root_index if graph.root_index >= 0 else graph.root
        version = graph.metadata.get("tvm_version", graph.attrs.get("tvm_version", ""))
        self.tvm_version = version if isinstance(version, str) else ""
        self.kind(self.root)

    def kind(self, index: int) -> str:
        """The node's type without its release's name space: "Block", "Mul", "IntImm", "" for none."""
        if not 0 <= index < len(self._nodes):
            raise BadInputError(f"the module's JSON graph has no node {index}")
        return "" if self._kinds[index] == "None" else self._kinds[index]

    def fields(self, index: int) -> Mapping[str, object]:
        """The node's attributes as they stand: literals, or the indices of other nodes."""
        node = self._node(index)
        if node.attrs:
            return node.attrs
        return node.data if isinstance(node.data, dict) else {}

    def has(self, index: int, field: str) -> bool:
        """Whether the node has the field."""
        return field in self.fields(index)

    def ref(self, index: int, field: str) -> int:
        """The index of the node that a field points to."""
        return self._int(self._field(index, field), index)

    def items(self, index: int) -> list[int]:
        """An array's elements, or a map's keys and values in turn (only values where keys are strings)."""
        value = self._node(index).data
        if self.kind(index) not in ("Array", "Map") or not isinstance(value, list | None):
            raise BadInputError(f"node {index} of the module's JSON graph is no array")
        if value is None:
            return []
        return [self._int(item, index) for item in value]

    def string_keys(self, index: int) -> Sequence[str]:
        """The keys of a map in the old form where they are strings; empty otherwise."""
        return self._node(index).keys

    def mapping(self, index: int) -> dict[str, int]:
        """A map whose keys are strings: the indices of its values."""
        items = self.items(index)
        if keys := self.string_keys(index):
            return dict(zip(keys, items, strict=False))
        return {self.text(key): value for key, value in zip(items[::2], items[1::2], strict=False)}

    def names_of(self, kind: str) -> set[str]:
        """The names of all nodes of a kind that have one (`name_hint`)."""
        return {
            self.text(self.ref(index, "name_hint"))
            for index, found in enumerate(self._kinds)
            if found == kind and self.has(index, "name_hint")
        }

    def text(self, index: int) -> str:
        """What a string node says, or an operator's name; "" for anything else."""
        node = self._node(index)
        if node.repr_str:
            return node.repr_str
        return node.data if isinstance(node.data, str) else ""

    def integer(self, index: int, field: str = "value") -> int:
        """A field that is an integer: written out, or as the index of a node that holds it, which may be this one."""
        if self.kind(index) == "int":  # a number that stands by itself
            return self._int(self._node(index).data, index)
        value = self._field(index, field)
        if self._integers_are_nodes and isinstance(value, int) and not isinstance(value, bool) and field == "value":
            held = self._node(value).data
            if isinstance(held, int):
                return int(held)
            raise BadInputError(f"node {index} of the module's JSON graph holds no integer")
        return self._int(value, index)

    def number(self, index: int) -> float:
        """A FloatImm's value."""
        value = self._field(index, "value")
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise BadInputError(f"node {index} of the module's JSON graph holds no number") from error

    def dtype(self, index: int) -> str:
        """The data type of an expression or buffer; "" where it has none."""
        for _ in range(4):  # an expression points to its type, which names its dtype: never further than that
            fields = self.fields(index)
            value = fields.get("dtype", fields.get("ty"))
            if isinstance(value, str) and not value.isdigit():
                return value
            if value is None:
                return self.text(index) if self.kind(index) in ("DataType", "dtype") else ""
            index = self._int(value, index)
        return ""

    def _all_integers_lead_to_nodes(self) -> bool:
        """Whether the value of each IntImm is the index of a node that holds it; by chance, some may seem to be."""
        found = False
        for kind, node in zip(self._kinds, self._nodes, strict=True):
            if kind == "IntImm":
                value = node.data.get("value") if isinstance(node.data, dict) else None
                if not isinstance(value, int) or not 0 <= value < len(self._nodes) or self._kinds[value] != "int":
                    return False
                found = True
        return found

    def _node(self, index: int) -> _Node:
        if not 0 <= index < len(self._nodes):
            raise BadInputError(f"the module's JSON graph has no node {index}")
        return self._nodes[index]

    def _field(self, index: int, field: str) -> object:
        try:
            return self.fields(index)[field]
        except KeyError as error:
            raise BadInputError(
                f"node {index} ({self.kind(index)}) of the module's JSON graph has no {field}"
            ) from error

    @staticmethod
    def _int(value: object, index: int) -> int:
        if isinstance(value, bool | int):
            return int(value)
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                pass
        raise BadInputError(f"node {index} of the module's JSON graph points to {str(value)[:40]!r}, not to a node")
