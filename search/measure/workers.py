"""What runs in the child processes that build and measure; importable there by name.

A child that crashes or hangs takes one trial with it and no more: TVM's `PopenPoolExecutor` restarts it.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from tunedb import tensor_intrinsics


def start_worker(target_kind: str, target_keys: tuple[str, ...], num_threads: int) -> None:
    """Prepares a fresh worker: light intrinsics, thread count, and deafness to the terminal's Ctrl-C.

    The parent hears Ctrl-C and ends its workers in order; a worker killed in mid-trial would be taken for a
    candidate that crashes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TVM_NUM_THREADS"] = str(num_threads)  # read by TVM's thread pool when it starts
    tensor_intrinsics.register_for(target_kind, target_keys)


def device_type(target_kind: str) -> str:
    """The kind of device that code for a kind of target runs on, as TVM's runtime names it."""
    return "cpu" if target_kind in ("llvm", "c") else target_kind


def ready() -> None:
    """Answers when the worker has started."""


def build(job: tuple[str, str, str]) -> str:
    """Compiles one candidate, (module JSON, target JSON, folder), to an archive in the folder; returns its path."""
    import json
    import tempfile
    from pathlib import Path

    import tvm
    from tvm.s_tir.meta_schedule.builder.local_builder import default_build
    from tvm.support.tar import tar

    mod_json, target_json, folder = job
    target = tvm.target.Target(json.loads(target_json))
    module = default_build(tvm.ir.load_json(mod_json), target, None)
    path = Path(tempfile.mkdtemp(dir=folder)) / f"candidate.{tar.output_format}"
    module.export_library(str(path), fcompile=tar)
    return str(path)


def run(
    artifact_path: str, device_type: str, args_info: tuple[Any, ...], repeat: int, min_repeat_ms: int
) -> list[float]:
    """Measures one built candidate; returns `repeat` run times in seconds."""
    import tvm
    from tvm.s_tir.meta_schedule.runner.config import EvaluatorConfig
    from tvm.s_tir.meta_schedule.runner.local_runner import default_alloc_argument, default_run_evaluator

    module = tvm.runtime.load_module(artifact_path)
    device = tvm.runtime.device(device_type, 0)
    arguments = default_alloc_argument(device, list(args_info), 1)
    config = EvaluatorConfig(number=1, repeat=repeat, min_repeat_ms=min_repeat_ms, enable_cpu_cache_flush=False)
    return [float(secs) for secs in default_run_evaluator(module, device, config, arguments)]
