"""What a program computes, as text that no TVM release, platform or variable name changes.

A signature lists the program's blocks in order. Of each it says the axes (kind and extent), and the statements of its
initialisation and body with operators by their plain names, axes numbered, and integer arithmetic in affine form.
Buffers are numbered by first appearance and described by shape, dtype and whether they are parameters, or parameters
whose layout is free: constants that a compiler packs beforehand, so that another schedule is the fastest. Loops around
blocks, names, annotations, and the width of index types say nothing about what is computed and are left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tunedb.errors import BadInputError
from tunedb.program import affine
from tunedb.program.affine import Affine
from tunedb.program.graph import ProgramGraph

_AXIS_KINDS = {0: "S", 2: "R", 3: "O"}  # TVM's IterVarType: data-parallel, commutative reduction, ordered
_INDEX_TYPES = frozenset(("int32", "int64"))
_SWAPPED = {"GT": "LT", "GE": "LE"}
_ARITHMETIC = frozenset(("Add", "Sub", "Mul", "Div", "Mod", "FloorDiv", "FloorMod", "Min", "Max"))
_BINARY = _ARITHMETIC | {"EQ", "NE", "LT", "LE", "GT", "GE", "And", "Or"}
_SAYS_NOTHING = frozenset(
    ("span", "ty", "dtype", "name", "name_hint", "annotations", "type_annotation", "struct_info_")
)
_MAX_VISITS = 50_000  # a shared sub-graph is written out at each use, which a hostile graph makes exponential
_MAX_DEPTH = 300


@dataclass(slots=True)
class Block:
    """One block of a program, in the signature's terms."""

    axes: list[str]  # "S128": kind and extent
    init: str = ""
    body: str = ""
    hint: str = field(default="", compare=False)  # TVM's name: for people, not part of the signature


@dataclass(slots=True)
class Signature:
    """A program's blocks and buffers."""

    blocks: list[Block] = field(default_factory=list)
    buffers: list[str] = field(default_factory=list)  # "1x128 float32 param", or "packed" for one whose layout is free

    def to_json(self) -> str:
        """Canonical JSON: the text that a workload's id is the hash of."""
        blocks = [[block.axes, block.init, block.body] for block in self.blocks]
        return json.dumps({"blocks": blocks, "buffers": self.buffers}, separators=(",", ":"), sort_keys=True)


def read_signature(graph: ProgramGraph) -> Signature:
    """The signature of all tensor programs in a module.

    Raises:
        BadInputError: the module holds no tensor program, or its graph is broken, cyclic or too large.
    """
    writer = _Writer(graph)
    try:
        for _, function in prim_funcs(graph):
            writer.function(function)
    except RecursionError as error:
        raise BadInputError("the module's JSON graph is nested too deeply or cyclic") from error
    if not writer.signature.blocks:
        raise BadInputError("the module holds no tensor program")
    return writer.signature


def prim_funcs(graph: ProgramGraph) -> list[tuple[str, int]]:
    """The tensor programs of a module: names and nodes, by name; a function that stands alone has the name "".

    Raises:
        BadInputError: the graph is neither of a module nor of a function.
    """
    if graph.kind(graph.root) == "PrimFunc":
        return [("", graph.root)]
    if graph.kind(graph.root) != "IRModule":
        raise BadInputError(
            f"the module's JSON graph is of a {graph.kind(graph.root) or 'nothing'}, not of an IRModule"
        )
    functions = graph.ref(graph.root, "functions")
    pairs = graph.items(functions)
    named = []
    for var, function in zip(pairs[::2], pairs[1::2], strict=False):
        if graph.kind(function) == "PrimFunc":
            named.append((graph.text(graph.ref(var, "name_hint")), function))
    return sorted(named)


def layout_free(graph: ProgramGraph, function: int) -> set[int]:
    """The places of the arguments that a function's attribute `layout_free_buffers` lists."""
    try:
        listed = graph.mapping(graph.ref(graph.ref(function, "attrs"), "__dict__")).get("layout_free_buffers")
        return set() if listed is None else {graph.integer(item) for item in graph.items(listed)}
    except BadInputError:
        return set()


class _Writer:
    """Walks one module's graph and writes its signature."""

    def __init__(self, graph: ProgramGraph) -> None:
        self.signature = Signature()
        self._graph = graph
        self._names: dict[int, str] = {}  # variables: axes "v0", loops within a block "l0", symbols "n0"
        self._counts: dict[str, int] = {}
        self._buffers: dict[int, str] = {}
        self._params: set[int] = set()
        self._packed: set[int] = set()
        self._visits = 0
        self._depth = 0

    def function(self, index: int) -> None:
        graph = self._graph
        params = graph.items(graph.ref(index, "params"))
        pairs = graph.items(graph.ref(index, "buffer_map")) if graph.has(index, "buffer_map") else []
        buffers = dict(zip(pairs[::2], pairs[1::2], strict=False))
        self._params.update(params, pairs)
        free = layout_free(graph, index)
        self._packed.update(buffers.get(param, param) for place, param in enumerate(params) if place in free)
        body = graph.ref(index, "body")
        if graph.kind(body) == "BlockRealize" and not graph.items(graph.ref(body, "iter_values")):
            body = graph.ref(graph.ref(body, "block"), "body")  # the root block is only a frame
        before = len(self.signature.blocks)
        text = self._statement(body, within_block=False)
        if len(self.signature.blocks) == before:  # a program without blocks: its loops are all there is to say
            self.signature.blocks.append(Block([], "", text))

    # -- statements ------------------------------------------------------------------------------------------------

    def _statement(self, index: int, *, within_block: bool) -> str:
        self._enter()
        try:
            return self._statement_inner(index, within_block)
        finally:
            self._depth -= 1

    def _statement_inner(self, index: int, within_block: bool) -> str:
        graph = self._graph
        kind = graph.kind(index)
        if kind == "":
            return ""
        if kind == "BlockRealize":
            return self._block(index, within_block)
        if kind == "SeqStmt":
            parts = [self._statement(item, within_block=within_block) for item in graph.items(graph.ref(index, "seq"))]
            return ";".join(parts)
        if kind == "For":
            return self._loop(index, within_block)
        if kind == "BufferStore":
            value = self._expression(graph.ref(index, "value"))
            where = self._indices(graph.ref(index, "indices"))
            return f"{self._buffer(graph.ref(index, 'buffer'))}[{where}]={value}"
        if kind == "LetStmt":
            value = self._expression(graph.ref(index, "value"))
            name = self._name(graph.ref(index, "var"), "t")
            return f"{name}:={value};{self._statement(graph.ref(index, 'body'), within_block=within_block)}"
        if kind == "Evaluate":
            return self._expression(graph.ref(index, "value"))
        return self._other(index, kind, within_block=within_block)

    def _block(self, realize: int, within_block: bool) -> str:
        graph = self._graph
        index = graph.ref(realize, "block")
        bindings = ""
        if within_block:  # a nested block's axes depend on those around it
            bindings = self._indices(graph.ref(realize, "iter_values"))
        block = Block([], hint=graph.text(graph.ref(index, "name_hint")))
        number = len(self.signature.blocks)
        self.signature.blocks.append(block)
        for position, iter_var in enumerate(graph.items(graph.ref(index, "iter_vars"))):
            domain = graph.ref(iter_var, "dom")
            low = affine.render(self._affine(graph.ref(domain, "min")))
            extent = affine.render(self._affine(graph.ref(domain, "extent")))
            kind = _AXIS_KINDS.get(graph.integer(iter_var, "iter_type"), "X")
            block.axes.append(f"{kind}{extent}" if low == "0" else f"{kind}{low}:{extent}")
            self._names[graph.ref(iter_var, "var")] = f"v{position}" if not within_block else f"v{number}.{position}"
        block.init = self._statement(graph.ref(index, "init"), within_block=True)
        block.body = self._statement(graph.ref(index, "body"), within_block=True)
        return f"@{number}({bindings})"

    def _loop(self, index: int, within_block: bool) -> str:
        graph = self._graph
        if not within_block:
            blocks = len(self.signature.blocks)
            body = self._statement(graph.ref(index, "body"), within_block=False)
            if len(self.signature.blocks) > blocks:
                return body
        extent = affine.render(self._affine(graph.ref(index, "extent")))
        name = self._name(graph.ref(index, "loop_var"), "l")
        return f"for {name}<{extent}{{{self._statement(graph.ref(index, 'body'), within_block=within_block)}}}"

    # -- expressions -----------------------------------------------------------------------------------------------

    def _expression(self, index: int) -> str:
        graph = self._graph
        kind = graph.kind(index)
        if kind in ("IntImm", "Add", "Sub", "Mul", "Var", "SizeVar", "Cast") and graph.dtype(index) in _INDEX_TYPES:
            return affine.render(self._affine(index))
        self._enter()
        try:
            return self._expression_inner(index, kind)
        finally:
            self._depth -= 1

    def _expression_inner(self, index: int, kind: str) -> str:
        graph = self._graph
        if kind in _BINARY:
            left = self._expression(graph.ref(index, "a"))
            right = self._expression(graph.ref(index, "b"))
            if kind in _SWAPPED:
                kind, left, right = _SWAPPED[kind], right, left
            return f"{kind}({left},{right})"
        if kind == "BufferLoad":
            where = self._indices(graph.ref(index, "indices"))
            source = graph.ref(index, "buffer" if graph.has(index, "buffer") else "source")
            return f"{self._buffer(source)}[{where}]"
        if kind == "IntImm":
            return str(graph.integer(index))
        if kind == "FloatImm":
            return repr(graph.number(index))
        if kind == "StringImm":
            return json.dumps(graph.text(graph.ref(index, "value")))
        if kind in ("Var", "SizeVar"):
            return self._name(index, "n")
        if kind == "Cast":
            return f"{graph.dtype(index)}({self._expression(graph.ref(index, 'value'))})"
        if kind == "Call":
            callee = graph.ref(index, "op")
            name = graph.text(callee).rpartition(".")[2] or graph.kind(callee)
            args = ",".join(self._expression(arg) for arg in graph.items(graph.ref(index, "args")))
            dtype = graph.dtype(index)
            return f"{name}({args})" if dtype in _INDEX_TYPES or not dtype else f"{name}:{dtype}({args})"
        return self._other(index, kind, within_block=True)

    def _affine(self, index: int) -> Affine:
        """An integer expression as a sum of terms."""
        self._enter()
        try:
            return self._affine_inner(index)
        finally:
            self._depth -= 1

    def _affine_inner(self, index: int) -> Affine:
        graph = self._graph
        kind = graph.kind(index)
        if kind == "IntImm":
            return {"": graph.integer(index)}
        if kind in ("Var", "SizeVar"):
            return {self._name(index, "n"): 1}
        if kind in ("Add", "Sub"):
            sign = 1 if kind == "Add" else -1
            return affine.plus(self._affine(graph.ref(index, "a")), self._affine(graph.ref(index, "b")), sign)
        if kind == "Mul":
            left, right = self._affine(graph.ref(index, "a")), self._affine(graph.ref(index, "b"))
            return affine.times(left, right)
        if kind in ("FloorDiv", "FloorMod", "Min", "Max"):
            left, right = self._affine(graph.ref(index, "a")), self._affine(graph.ref(index, "b"))
            return {f"{kind}({affine.render(left)},{affine.render(right)})": 1}
        if kind == "Cast" and graph.dtype(graph.ref(index, "value")) in _INDEX_TYPES:
            return self._affine(graph.ref(index, "value"))
        return {self._expression_inner(index, kind): 1}

    def _indices(self, array: int) -> str:
        return ",".join(self._index(item) for item in self._graph.items(array))

    def _index(self, index: int) -> str:
        if self._graph.kind(index) == "Ramp":
            return self._expression(index)
        return affine.render(self._affine(index))

    # -- names -----------------------------------------------------------------------------------------------------

    def _buffer(self, index: int) -> str:
        known = self._buffers.get(index)
        if known is not None:
            return known
        graph = self._graph
        described = graph.ref(index, "ty") if not graph.has(index, "shape") and graph.has(index, "ty") else index
        shape = "x".join(self._index(extent) for extent in graph.items(graph.ref(described, "shape")))
        role = "packed" if index in self._packed else "param" if index in self._params else "local"
        name = f"b{len(self._buffers)}"
        self._buffers[index] = name
        self.signature.buffers.append(f"{shape} {graph.dtype(described)} {role}")
        return name

    def _name(self, var: int, letter: str) -> str:
        known = self._names.get(var)
        if known is None:
            number = self._counts.get(letter, 0)
            self._counts[letter] = number + 1
            known = self._names[var] = f"{letter}{number}"
        return known

    def _other(self, index: int, kind: str, *, within_block: bool) -> str:
        """Any node of a kind not known here: its kind and what its fields lead to, in the fields' order by name."""
        graph = self._graph
        if kind in ("Array", "Map"):
            return "[" + ",".join(self._any(item, within_block) for item in graph.items(index)) + "]"
        if kind in ("String", "Op", "GlobalVar", "int", "float", "bool", "DataType"):
            return json.dumps(graph.text(index))
        if kind == "Buffer" or (kind == "Var" and graph.kind(graph.ref(index, "ty")) == "BufferType"):
            return self._buffer(index)
        parts = []
        for name, value in sorted(graph.fields(index).items()):
            if name in _SAYS_NOTHING:
                continue
            if isinstance(value, float):
                parts.append(repr(value))
            elif isinstance(value, bool):
                parts.append(str(int(value)))
            else:
                parts.append(self._any(graph.ref(index, name), within_block))
        return f"{kind}({','.join(parts)})"

    def _any(self, index: int, within_block: bool) -> str:
        kind = self._graph.kind(index)
        if kind in ("BlockRealize", "For", "SeqStmt", "BufferStore", "LetStmt", "Evaluate", ""):
            return self._statement(index, within_block=within_block)
        return self._expression(index)

    def _enter(self) -> None:
        self._depth += 1
        self._visits += 1
        if self._visits > _MAX_VISITS:
            raise BadInputError("the module's JSON graph is too large when written out")
        if self._depth > _MAX_DEPTH:
            raise BadInputError("the module's JSON graph is nested too deeply or cyclic")
