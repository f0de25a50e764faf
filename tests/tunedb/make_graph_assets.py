"""Writes assets/graphs/: the same operators as the TVM that runs this writes them, with a trace of each design space.

    /path/to/an/environment/with/another/tvm/bin/python tests/tunedb/make_graph_assets.py

Needs nothing but TVM, of 0.25 or later.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import tvm
from tvm import te, topi

try:
    from tvm.s_tir import meta_schedule as ms
except ImportError:  # before 0.27
    from tvm import meta_schedule as ms  # type: ignore[attr-defined, no-redef]

ASSETS = Path(__file__).parent / "assets" / "graphs"


def operators() -> dict[str, list[Any]]:
    """Tensors of each operator: inputs, then the output."""

    def data(*shape: int, dtype: str = "float32") -> Any:
        return te.placeholder(shape, dtype=dtype, name="data")

    def weight(*shape: int, dtype: str = "float32") -> Any:
        return te.placeholder(shape, dtype=dtype, name="weight")

    made: dict[str, list[Any]] = {}
    a, b = data(64, 96), weight(96, 32)
    made["matmul"] = [a, b, topi.matmul(a, b)]
    a, b = data(4, 16, 24), weight(4, 20, 24)
    made["batch_matmul"] = [a, b, topi.nn.batch_matmul(a, b)]
    a, b = data(1, 8, 14, 14), weight(16, 8, 3, 3)
    made["conv2d_nchw"] = [a, b, topi.nn.conv2d_nchw(a, b, 1, 1, 1)]
    made["conv2d_strided"] = [a, b, topi.nn.conv2d_nchw(a, b, 2, 1, 1)]
    made["conv2d_dilated"] = [a, b, topi.nn.conv2d_nchw(a, b, 1, 2, 2)]
    a, b = data(1, 14, 14, 8), weight(3, 3, 8, 16)
    made["conv2d_nhwc"] = [a, b, topi.nn.conv2d_nhwc(a, b, 1, 1, 1)]
    a, b = data(1, 16, 14, 14), weight(16, 1, 3, 3)
    made["depthwise"] = [a, b, topi.nn.depthwise_conv2d_nchw(a, b, 1, 1, 1)]
    a = data(32, 100)
    made["softmax"] = [a, topi.nn.softmax(a)]
    made["sum"] = [a, topi.sum(a, axis=1)]
    made["relu_chain"] = [a, topi.nn.relu(topi.add(topi.multiply(a, a), a))]
    made["transpose"] = [a, topi.transpose(a, (1, 0))]
    a = data(1, 8, 16, 16)
    made["max_pool"] = [a, topi.nn.pool2d(a, [2, 2], [2, 2], [1, 1], [0, 0, 0, 0], "max")]
    a, b = data(64, 96, dtype="int8"), weight(96, 32, dtype="int8")
    k = te.reduce_axis((0, 96), name="k")
    made["matmul_int8"] = [
        a,
        b,
        te.compute((64, 32), lambda i, j: te.sum(a[i, k].astype("int32") * b[k, j].astype("int32"), axis=k), name="C"),
    ]
    return made


def plain(value: Any) -> Any:
    """TVM's containers as JSON's own."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "value"):
        return plain(value.value)
    return [plain(item) for item in value]


def entry(tensors: list[Any]) -> dict[str, Any]:
    """A module as MetaSchedule's workload line has it, and a trace of each of its design spaces."""
    module = tvm.IRModule({"main": te.create_prim_func(tensors).with_attr("global_symbol", "main")})
    structural_hash, framed = plain(ms.database.Workload(module).as_json())
    context = ms.TuneContext(
        mod=module,
        target=tvm.target.Target({"kind": "llvm", "mcpu": "znver4", "num-cores": 2}),
        space_generator=ms.space_generator.PostOrderApply(
            sch_rules=[
                ms.schedule_rule.ApplyCustomRule(),
                ms.schedule_rule.AutoInline(
                    into_producer=False,
                    into_consumer=True,
                    inline_const_tensor=True,
                    disallow_if_then_else=True,
                    require_injective=True,
                    require_ordered=True,
                ),
                ms.schedule_rule.AddRFactor(max_jobs_per_core=16, max_innermost_factor=64),
                ms.schedule_rule.MultiLevelTiling(
                    structure="SSRSRS",
                    tile_binds=None,
                    max_innermost_factor=64,
                    vector_load_lens=None,
                    reuse_read=None,
                    reuse_write=ms.schedule_rule.ReuseType(req="may", levels=[1, 2], scope="global"),
                ),
                ms.schedule_rule.ParallelizeVectorizeUnroll(
                    max_jobs_per_core=16, max_vectorize_extent=64, unroll_max_steps=[0, 16], unroll_explicit=True
                ),
                ms.schedule_rule.RandomComputeLocation(),
            ],
            postprocs=[],
            mutator_probs={},
        ),
        rand_state=1,
        num_threads=1,
    )
    traces = [plain(schedule.trace.as_json()) for schedule in context.generate_design_space()]
    return {"structural_hash": structural_hash, "module": base64.b64decode(framed)[8:].decode(), "traces": traces}


def main() -> None:
    """Writes one file for this release."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    made = {name: entry(tensors) for name, tensors in operators().items()}
    content = json.dumps(made, separators=(",", ":")).encode()
    path = ASSETS / f"tvm-{tvm.__version__}.json.gz"
    path.write_bytes(gzip.compress(content, 9, mtime=0))
    print(path.name, len(made), "operators", sum(len(row["traces"]) for row in made.values()), "traces")  # noqa: T201


if __name__ == "__main__":
    main()
