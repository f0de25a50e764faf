"""What to generate code for: this machine's CPU, or what the user wrote."""

from __future__ import annotations

import os
from typing import Any

from tunedb.errors import BadInputError, UsageError
from tunedb.identity import canonical_target
from tunedb.records import Target


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
    """A target from JSON (`{"kind": "llvm", "mcpu": "znver5", "num-cores": 8}`) or from one of TVM's tags.

    Raises:
        UsageError: neither; TVM 0.27 takes no command-line style strings ("llvm -mcpu=...").
    """
    from tunedb.metaschedule.replay import target_from_tvm

    try:
        return target_from_tvm(text)
    except (BadInputError, ValueError) as error:
        hint = ': write options as JSON, such as {"kind": "llvm", "mcpu": "znver5"}' if " -" in text else ""
        raise UsageError(f"target {text!r} is neither a tag of TVM's nor valid JSON{hint} ({error})") from error
