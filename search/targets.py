"""What to generate code for: this machine's CPU, or what the user wrote."""

from __future__ import annotations

import os
from typing import Any

from tunedb.errors import BadInputError, MeasurementError, UsageError
from tunedb.identity import canonical_target
from tunedb.records import Hardware, Target

_EXAMPLE = "nvidia/nvidia-h100"
_FIRST_OF_ITS_OWN = 9  # major compute capability


def local_target(num_cores: int | None = None) -> Target:
    """This machine's CPU as LLVM names it, with the number of cores that this process may use."""
    import tvm
    from tvm.target.codegen import llvm_get_system_cpu

    keys = [str(key) for key in tvm.target.Target.from_device(tvm.cpu()).keys]
    text: dict[str, Any] = {
        "kind": "llvm",
        "keys": keys,
        "mcpu": str(llvm_get_system_cpu()),
        "num-cores": num_cores or len(os.sched_getaffinity(0)),
    }
    return canonical_target(text)


def parse_target(text: str) -> Target:
    """A target as a person types it: as JSON, as one of TVM's tags, or as logs have it ("llvm -mcpu=znver5").

    A CUDA target that tells no architecture is this machine's GPU.

    Raises:
        UsageError: it is none of these, or the installed TVM generates no code for it; or there is no such GPU.
    """
    from tunedb.metaschedule.replay import target_from_tvm
    from tunedb.metaschedule.target_check import check_target

    try:
        written = canonical_target(text)
    except BadInputError as error:
        raise UsageError(str(error)) from error
    if written.kind == "cuda" and not written.arch:
        written = found_cuda_target()
    return target_from_tvm(check_target(written).text)


def found_cuda_target() -> Target:
    """The first CUDA device that this process may use.

    Raises:
        UsageError: there is none.
    """
    from search.measure.cuda_driver import devices

    try:
        found = devices()
    except MeasurementError as error:
        raise UsageError(f"{error}; name the GPU that is meant, such as {_EXAMPLE}") from error
    if not found:
        raise UsageError(f"CUDA_VISIBLE_DEVICES hides all CUDA devices; name the one that is meant, such as {_EXAMPLE}")
    return cuda_target(found[0])


def cuda_target(hardware: Hardware) -> Target:
    """A CUDA device as TVM describes devices: what a block of threads may have is the same for all of them.

    Args:
        hardware: The device.
    """
    major, _, minor = (hardware.compute_capability or "").partition(".")
    suffix = "a" if int(major) >= _FIRST_OF_ITS_OWN else ""  # instructions that no other architecture has
    text: dict[str, Any] = {
        "kind": "cuda",
        "keys": ["cuda", "gpu"],
        "arch": f"sm_{major}{minor}{suffix}",
        "max_num_threads": 1024,
        "max_threads_per_block": 1024,
        "max_shared_memory_per_block": 49152,
        "registers_per_block": 65536,
        "thread_warp_size": 32,
    }
    if hardware.l2_bytes:
        text["l2_cache_size_bytes"] = hardware.l2_bytes
    return canonical_target(text)
