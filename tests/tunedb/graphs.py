"""The same small matmul as the JSON graph of an old and of a new TVM release, made by hand."""

from __future__ import annotations

import json
from typing import Any


class _Builder:
    """Collects nodes; what is one object in TVM is one node."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def add(self, node: dict[str, Any]) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def new_form(extents: tuple[int, int, int] = (4, 8, 16), *, operator: str = "prim.Mul", prefix: str = "") -> bytes:
    """A matmul as TVM 0.27 writes it."""
    g = _Builder()
    none = g.add({"type": "None"})
    f32, i32 = (g.add({"type": "ir.PrimType", "data": {"dtype": dtype}}) for dtype in ("float32", "int32"))

    def array(*items: int) -> int:
        return g.add({"type": "ffi.Array", "data": list(items)})

    def text(value: str) -> int:
        return g.add({"type": "ffi.String", "data": value})

    def imm(value: int) -> int:
        return g.add({"type": "ir.IntImm", "data": {"ty": i32, "value": g.add({"type": "int", "data": value})}})

    def var(name: str, type_: int) -> int:
        return g.add({"type": "ir.Var", "data": {"ty": type_, "name": text(prefix + name)}})

    def buffer(name: str, *shape: int) -> int:
        described = g.add({"type": "tirx.BufferType", "data": {"dtype": f32, "shape": array(*map(imm, shape))}})
        return var(name, described)

    def load(source: int, *indices: int) -> int:
        return g.add({"type": "ir.TensorLoad", "data": {"ty": f32, "source": source, "indices": array(*indices)}})

    def store(target: int, value: int, *indices: int) -> int:
        data = {"buffer": target, "value": value, "indices": array(*indices)}
        return g.add({"type": "tirx.BufferStore", "data": data})

    n, m, k = extents
    a, b, c = buffer("A", n, k), buffer("B", k, m), buffer("C", n, m)
    axes = [var(name, i32) for name in ("vi", "vj", "vk")]
    vi, vj, vk = axes
    iters = []
    for axis, extent, kind in zip(axes, extents, (0, 0, 2), strict=True):
        domain = g.add({"type": "ir.Range", "data": {"min": imm(0), "extent": imm(extent)}})
        iters.append(g.add({"type": "tirx.IterVar", "data": {"dom": domain, "var": axis, "iter_type": kind}}))
    zero = g.add({"type": "ir.FloatImm", "data": {"ty": f32, "value": 0.0}})
    product = g.add({"type": operator, "data": {"ty": f32, "a": load(a, vi, vk), "b": load(b, vk, vj)}})
    total = g.add({"type": "prim.Add", "data": {"ty": f32, "a": load(c, vi, vj), "b": product}})
    block = g.add(
        {
            "type": "s_tir.SBlock",
            "data": {
                "iter_vars": array(*iters),
                "name_hint": text(prefix + "C"),
                "init": store(c, zero, vi, vj),
                "body": store(c, total, vi, vj),
            },
        }
    )
    loops = [var(name, i32) for name in ("i", "j", "k")]
    body = g.add({"type": "s_tir.SBlockRealize", "data": {"iter_values": array(*loops), "block": block}})
    for loop, extent in reversed(list(zip(loops, extents, strict=True))):
        data = {"loop_var": loop, "min": imm(0), "extent": imm(extent), "kind": 0, "body": body}
        body = g.add({"type": "tirx.For", "data": data})
    root = g.add(
        {
            "type": "s_tir.SBlock",
            "data": {"iter_vars": array(), "name_hint": text("root"), "init": none, "body": body},
        }
    )
    frame = g.add({"type": "s_tir.SBlockRealize", "data": {"iter_values": array(), "block": root}})
    function = g.add({"type": "tirx.PrimFunc", "data": {"params": array(a, b, c), "body": frame}})
    name = g.add({"type": "ir.GlobalVar", "data": {"name_hint": text("main")}})
    functions = g.add({"type": "ffi.Map", "data": [name, function]})
    module = g.add({"type": "ir.IRModule", "data": {"functions": functions}})
    graph = {"root_index": module, "nodes": g.nodes, "metadata": {"tvm_version": "0.27.0.post1"}}
    return json.dumps(graph).encode()


def old_form(extents: tuple[int, int, int] = (4, 8, 16), *, index_dtype: str = "int64") -> bytes:
    """The same matmul as TVM 0.13 writes it: strings for all attributes, buffers in a map, loops split by hand."""
    g = _Builder()
    g.add({"type_key": ""})

    def array(*items: int) -> int:
        return g.add({"type_key": "Array", "data": list(items)} if items else {"type_key": "Array"})

    def obj(type_key: str, **attrs: object) -> int:
        return g.add({"type_key": type_key, "attrs": {name: str(value) for name, value in attrs.items()}})

    def text(value: str) -> int:
        return g.add({"type_key": "runtime.String", "repr_str": value})

    def imm(value: int) -> int:
        return obj("IntImm", dtype=index_dtype, span=0, value=value)

    def var(name: str, dtype: str) -> int:
        return obj("tir.Var", dtype=dtype, name=text(name), span=0)

    def buffer(name: str, *shape: int) -> int:
        shape_node = array(*map(imm, shape))
        return obj("tir.Buffer", dtype="float32", name=text(name), shape=shape_node, data=var(name, "handle"))

    def load(source: int, *indices: int) -> int:
        return obj("tir.BufferLoad", buffer=source, dtype="float32", indices=array(*indices))

    def store(target: int, value: int, *indices: int) -> int:
        return obj("tir.BufferStore", buffer=target, value=value, indices=array(*indices))

    n, m, k = extents
    a, b, c = buffer("lhs", n, k), buffer("rhs", k, m), buffer("out", n, m)
    handles = [var(name, "handle") for name in ("p0", "p1", "p2")]
    axes = [var(name, index_dtype) for name in ("v_i", "v_j", "v_k")]
    vi, vj, vk = axes
    iters = [
        obj("tir.IterVar", dom=obj("Range", min=imm(0), extent=imm(extent)), var=axis, iter_type=kind)
        for axis, extent, kind in zip(axes, extents, (0, 0, 2), strict=True)
    ]
    zero = obj("FloatImm", dtype="float32", value="0")
    product = obj("tir.Mul", dtype="float32", a=load(a, vi, vk), b=load(b, vk, vj))
    total = obj("tir.Add", dtype="float32", a=load(c, vi, vj), b=product)
    block = obj(
        "tir.Block",
        iter_vars=array(*iters),
        name_hint=text("T_matmul"),
        init=store(c, zero, vi, vj),
        body=store(c, total, vi, vj),
        annotations=g.add({"type_key": "Map", "keys": ["schedule_rule"], "data": [text("None")]}),
    )
    outer, j, kk = (var(name, index_dtype) for name in ("i_j_fused", "j", "k"))
    realize = obj("tir.BlockRealize", iter_values=array(outer, j, kk), predicate=imm(1), block=block)
    body = obj("tir.For", loop_var=outer, min=imm(0), extent=imm(n * m * k), kind=1, body=realize)
    root = obj("tir.Block", iter_vars=array(), name_hint=text("root"), init=0, body=body)
    frame = obj("tir.BlockRealize", iter_values=array(), predicate=imm(1), block=root)
    pairs = [node for pair in zip(handles, (a, b, c), strict=True) for node in pair]
    buffer_map = g.add({"type_key": "Map", "data": pairs})
    function = obj("tir.PrimFunc", params=array(*handles), buffer_map=buffer_map, body=frame)
    name = obj("GlobalVar", name_hint=text("main"))
    functions = g.add({"type_key": "Map", "data": [name, function]})
    module = obj("IRModule", functions=functions)
    return json.dumps({"root": module, "nodes": g.nodes, "attrs": {"tvm_version": "0.13.dev0"}}).encode()
