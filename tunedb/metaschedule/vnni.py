"""TVM's VNNI intrinsic, written as LLVM 22 takes it: there the bytes are vectors of bytes, and TVM 0.27 gives words.

It has TVM's own name, so that traces replay wherever TVM and its LLVM agree. Importing this module imports TVM.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build
from tvm.target.codegen import llvm_version_major

_BYTES_SINCE = 22  # the release of LLVM in which the operands became vectors of bytes
_LANES, _BYTES = 16, 4


def register() -> None:
    """Puts the intrinsic in the place of TVM's, where TVM's is refused by its LLVM."""
    from tvm.s_tir import TensorIntrin
    from tvm.s_tir.tensor_intrin import x86

    if llvm_version_major() >= _BYTES_SINCE:
        made = _dot_product()
        TensorIntrin.register(x86.VNNI_DOT_16x4_INTRIN, x86.dot_product_16x4_u8i8i32_desc, made, override=True)


def _dot_product() -> Any:
    """A program that adds to each of 16 sums the product of 4 bytes with 4 bytes of its own."""
    with IRBuilder() as builder, build.prim_func(s_tir=True):
        build.func_name("dot_product_16x4_u8i8i32_vnni")
        a = build.arg("A", build.Buffer((_BYTES,), "uint8", offset_factor=1))
        b = build.arg("B", build.Buffer((_LANES, _BYTES), "int8", offset_factor=1))
        c = build.arg("C", build.Buffer((_LANES,), "int32", offset_factor=1))
        with build.sblock("root"):
            build.reads([c[0:_LANES], a[0:_BYTES], b[0:_LANES, 0:_BYTES]])
            build.writes([c[0:_LANES]])
            every = tirx.Ramp(0, 1, _LANES)
            word = tirx.reinterpret("int32", a[tirx.Ramp(0, 1, _BYTES)])
            sums = build.call_llvm_pure_intrin(
                "int32x16",
                "llvm.x86.avx512.vpdpbusd.512",
                c[every],
                tirx.reinterpret("int8x64", tirx.Broadcast(word, _LANES)),
                b[0, tirx.Ramp(0, 1, _LANES * _BYTES)],
            )
            build.buffer_store(c, sums, [every])
    return builder.get()
