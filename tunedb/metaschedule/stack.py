"""Code that keeps its vectors aligned on the stack, wherever its caller's stack ends.

What does not fit into registers lies on the stack. LLVM aligns such slots to 16 bytes, unless a frame pointer was set
aside before registers are allocated: vectors of 64 bytes then split cache lines, all of them or none, by the caller's
stack. Each process draws that state once (`benchmarks/fidelity.py`). A function that asks for the address of its frame
has a frame pointer, and LLVM then aligns what it keeps there. So functions ask, and prefetch that address, which
computes nothing and costs an instruction or two.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir, tirx


def align_stack(mod: Any) -> Any:
    """A module that is ready to be built for a CPU by LLVM, with stacks that are aligned.

    Args:
        mod: A `tvm.ir.IRModule`; its tensor programs are scheduled, or never will be.

    Returns:
        The module, with other functions in the place of its tensor programs.
    """
    functions = {
        var: function.with_body(_touched(_visited(function.body))) if isinstance(function, tirx.PrimFunc) else function
        for var, function in mod.functions_items()
    }
    return tvm.IRModule(functions, attrs=mod.attrs, global_infos=mod.global_infos)


def _touched(body: Any) -> Any:
    """Statements, inside of the root block if there is one, with the frame's address asked for first."""
    if isinstance(body, s_tir.SBlockRealize) and not body.iter_values:
        return s_tir.SBlockRealize(body.iter_values, body.predicate, _with_body(body.block, _touched(body.block.body)))
    address = tirx.call_llvm_pure_intrin("handle", "llvm.frameaddress.p0", tirx.const(0, "int32"))
    for_reading, kept, data = (tirx.const(number, "int32") for number in (0, 3, 1))
    touch = tirx.call_llvm_intrin("void", "llvm.prefetch.p0", address, for_reading, kept, data)
    return tirx.SeqStmt([tirx.Evaluate(touch), body])


def _visited(statement: Any) -> Any:
    """Statements in which the body of each parallel loop, a function of its own, asks as well."""
    if isinstance(statement, s_tir.SBlockRealize):
        block = _with_body(statement.block, _visited(statement.block.body))
        return s_tir.SBlockRealize(statement.iter_values, statement.predicate, block)
    if isinstance(statement, tirx.SeqStmt):
        return tirx.SeqStmt([_visited(one) for one in statement.seq])
    if not isinstance(statement, tirx.For):
        return statement
    is_parallel = statement.kind == tirx.ForKind.PARALLEL
    body = _touched(statement.body) if is_parallel else _visited(statement.body)
    return tirx.For(
        statement.loop_var,
        statement.min,
        statement.extent,
        statement.kind,
        body,
        statement.thread_binding,
        statement.annotations,
    )


def _with_body(block: Any, body: Any) -> Any:
    return s_tir.SBlock(
        block.iter_vars,
        block.reads,
        block.writes,
        block.name_hint,
        body,
        block.init,
        block.alloc_buffers,
        block.match_buffers,
        block.annotations,
    )
